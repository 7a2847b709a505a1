"""The config groups, in the order in which a reader needs them."""

from __future__ import annotations

# Group -> what it decides. A test holds that every folder of conf/ with options is here.
GROUPS = {
    "dataset": "what to learn: images, points in the plane, or text; it also chooses a fitting architecture",
    "architecture": "the networks, G and D, or those of another algorithm; D returns logits",
    "loss": "what D and G minimize; some also choose an optimizer, a penalty and a number of D steps",
    "loss/penalty": "a penalty on D's gradient, with any loss; several as loss/penalty=[r1,r2]",
    "loss/anneal": "a factor on all penalties over the steps",
    "loss/top_k": "the share of each batch, D's favourites, that G learns from",
    "noise": "instance noise: Gaussian noise on real and generated samples before D sees them",
    "augment": "differentiable augmentation of D's inputs, for small datasets",
    "optimizer": "the optimizer of both networks; optimizer.lr_g and lr_d are for each alone, 0 keeps it as it is",
    "optimizer/decay": "a factor on both learning rates over the steps",
    "device": "where to compute",
    "algorithm": "how one update is made: the GAN's game, or another family of models",
    "algorithm/likelihood": "of a VAE or an autoencoder: log p(x | z), which measures reconstructions",
    "algorithm/beta": "of a VAE: the weight of the KL divergence over the steps",
    "algorithm/schedule": "of a diffusion model: how much noise each timestep adds",
    "algorithm/reverse": "of a diffusion model: the steps from noise to a sample",
    "algorithm/estimator": "of SeqGAN: how G gets a gradient through tokens that are drawn",
    "logger": "where scalars, grids and alarms go beside metrics.jsonl; several as logger=[tensorboard,wandb]",
    "callback": "what else happens at a report, a checkpoint or the end: classes of your own (docs/extending.md)",
    "experiment": "a whole protocol at once: published ones, and recipes of this project",
    "sweep": "the values or the search space of a sweep (gan-train -m)",
    "hydra/launcher": "where the jobs of a sweep run; needs the extra gan-cli[sweep]",
    "hydra/sweeper": "the search of a sweep: every combination, or Optuna's search for the best sweep.metric",
    "hydra/sweeper/sampler": "how Optuna searches",
}


def subgroups(group: str) -> list[str]:
    """Return the groups below a group: ``loss/penalty`` of ``loss``."""
    return [name for name in GROUPS if name.startswith(f"{group}/")]
