"""Short runs that between them go through every hot path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SENTENCES = Path(__file__).parent / "sentences.txt"

# Everything that would otherwise depend on the machine is fixed.
COMMON = (
    "device=cpu",
    "device.threads=1",
    "device.precision=fp32",
    "train.steps=9",
    "train.batch_size=16",
    "train.log_every=3",
    "train.sample_every=0",
    "train.sample_count=4",
    "train.checkpoint_every=5",
)
# With settings of their own: the defaults of a dataset may change.
POINTS = ("dataset=ring8", "architecture=mlp_small", "optimizer.lr=2e-4", "optimizer/decay=none")
DIGITS = ("dataset=digits", "architecture=mlp_small")
DCGAN = ("dataset=digits", "architecture=dcgan", "architecture.width=8")
TEXT = (
    "algorithm=seqgan",
    "dataset=text",
    f"dataset.path={SENTENCES}",
    "architecture.embedding=8",
    "architecture.hidden=8",
    "architecture.reader_model.embedding=8",
    "architecture.reader_model.sizes=[1,2,3]",
    "architecture.reader_model.filters=[4,4,4]",
    "algorithm.mle_epochs=2",
    "algorithm.d_pretraining=2",
    "algorithm.d_epochs=1",
    "algorithm.d_samples=64",
    "algorithm.measured=32",
    "train.steps=6",
    "train.log_every=1",
)


@dataclass(frozen=True)
class Recipe:
    """A command: its overrides, beside those of all, and how many processes torchrun starts for it."""

    overrides: tuple[str, ...]
    processes: int = 1

    @property
    def command(self) -> tuple[str, ...]:
        """All overrides, the particular ones last."""
        return (*COMMON, *self.overrides)


RECIPES = {
    "jsd": Recipe(DCGAN),
    "minimax": Recipe((*POINTS, "loss=minimax")),
    "wgan": Recipe((*DIGITS, "loss=wgan")),
    "wgan_gp": Recipe((*DCGAN, "architecture.norm_d=layer", "loss=wgan_gp")),
    "lsgan_r1_lazy": Recipe((*DIGITS, "loss=lsgan", "loss/penalty=r1", "loss.penalty.r1.every=4")),
    "r3gan_ada": Recipe(
        (
            "dataset=digits",
            "architecture=r3gan",
            "architecture.width=16",
            "architecture.blocks=1",
            "architecture.cardinality=4",
            "loss=r3gan",
            "augment=ada",
            "train.steps=4",
            "train.log_every=2",
        )
    ),
    "hinge_resnet_spectral": Recipe(
        (
            "dataset=digits",
            "architecture=resnet",
            "architecture.width_g=8",
            "architecture.width_d=8",
            "loss=hinge",
            "loss.d_steps=2",
            "train.steps=4",
            "train.log_every=2",
        )
    ),
    "dragan": Recipe((*DIGITS, "loss=dragan")),
    "roth_annealed": Recipe((*DIGITS, "loss=roth", "loss/anneal=linear")),
    "pac": Recipe((*POINTS, "pac=2")),
    "conditional": Recipe((*DCGAN, "conditional=true")),
    "top_k": Recipe((*DIGITS, "loss/top_k=exponential")),
    "noise_adaptive": Recipe((*DIGITS, "noise=adaptive")),
    "noise_linear": Recipe((*DIGITS, "noise=linear", "noise.start=0.3")),
    "reuse": Recipe((*DCGAN, "loss.reuse=true")),
    "reuse_relativistic": Recipe((*DIGITS, "loss=rgan", "loss.reuse=true", "loss.d_steps=2")),
    "warmup": Recipe((*POINTS, "loss=wgan", "optimizer.lr=5e-5", "loss.warmup.enabled=true", "loss.warmup.d_steps=10")),
    "skip": Recipe((*DIGITS, "train.non_finite=skip", "loss/penalty=r1")),
    "replicas": Recipe((*POINTS, "train.replicas=3")),
    "streamed_diffaugment": Recipe((*DCGAN, "device.data=streamed", "augment=diffaugment")),
    "dropout": Recipe(("dataset=digits", "architecture=maxout", "train.steps=4", "train.log_every=2")),
    "evaluated": Recipe(
        (*DIGITS, "train.eval_every=6", "evaluation.backbone=pixels", "evaluation.samples=64", "optimizer/decay=cosine")
    ),
    "vae": Recipe(("algorithm=vae", "dataset=digits", "architecture.latent_dim=4")),
    "diffusion": Recipe(
        ("algorithm=diffusion", "dataset=digits", "architecture.width=32", "conditional=true", "algorithm.guidance=2")
    ),
    "autoencoder": Recipe(("algorithm=autoencoder", "dataset=digits", "architecture.latent_dim=4")),
    "seqgan_rollouts": Recipe((*TEXT, "algorithm.estimator.count=2")),
    "seqgan_gumbel": Recipe((*TEXT, "algorithm/estimator=gumbel")),
    "two_processes": Recipe((*DCGAN, "loss=wgan_gp", "architecture.norm_d=none"), processes=2),
}
