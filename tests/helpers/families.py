"""Small runs of the models beside the GANs."""

from tests.helpers.options import SMALL_WIDTHS

TEXT = "".join(
    f"a {colour} {animal} {verb}\n" for colour in ("red", "grey") for animal in "xyz" for verb in ("is", "was")
)
WRITER = (
    "algorithm=seqgan",
    "algorithm.mle_epochs=2",
    "algorithm.d_pretraining=2",
    "algorithm.d_samples=8",
    "algorithm.d_steps=1",
    "algorithm.measured=20",
    "algorithm.estimator.count=2",
    *SMALL_WIDTHS["lstm"],
)
AUTOENCODER = ("architecture.encoder_hidden=[8]", "architecture.generator_hidden=[8]", "architecture.latent_dim=2")
FAMILIES = {
    "vae": (
        "algorithm=vae",
        "algorithm/beta=linear",
        "algorithm.beta.steps=6",
        "algorithm.free_bits=0.1",
        *AUTOENCODER,
    ),
    "autoencoder": ("algorithm=autoencoder", *AUTOENCODER),
    "diffusion": (
        "algorithm=diffusion",
        "algorithm.sampling_steps=3",
        "optimizer.decay.steps=6",
        *SMALL_WIDTHS["denoiser_mlp"],
    ),
    "oracle": (*WRITER, "dataset=oracle", "dataset.length=5", "dataset.count=60"),
    "text": (*WRITER, "dataset=text", "dataset.path=lines.txt", "dataset.max_length=5", "dataset.min_count=1"),
}
CADENCE = (
    "train.batch_size=4",
    "train.log_every=1",
    "train.sample_every=2",
    "train.checkpoint_every=2",
    "train.sample_count=4",
    "train.held_out=0.3",
)
