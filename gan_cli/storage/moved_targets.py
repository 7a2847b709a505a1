"""Former names of the classes that a ``_target_`` may name, and the version that drops each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Moved:
    """Where a class lives now.

    Attributes:
        target: its full name.
        until: the version of gan_cli that no longer knows the former name.
    """

    target: str
    until: str


def _module(until: str, former: str, present: str, *names: str, **renamed: str) -> dict[str, Moved]:
    """Return the entries of one module: classes that kept their ``names``, and former name -> present name."""
    classes = {**dict.fromkeys(names), **renamed}
    return {
        f"gan_cli.{former}.{name}": Moved(f"gan_cli.{present}.{new or name}", until) for name, new in classes.items()
    }


# The run directories and the YAML files of users hold these names; they are resolved silently.
MOVED: Mapping[str, Moved] = {
    **_module("1.0", "algorithms.adversarial", "algorithms.gan.trainer", Adversarial="GANTrainer"),
    **_module("1.0", "algorithms.autoencoder", "algorithms.autoencoders.autoencoder", "Autoencoder"),
    **_module("1.0", "algorithms.diffusion.samplers", "algorithms.diffusion.transitions", "Ancestral", "DDIM"),
    **_module("1.0", "algorithms.relaxed", "algorithms.seqgan.gumbel_softmax", "Gumbel"),
    **_module("1.0", "algorithms.rollouts", "algorithms.seqgan.policy_gradient", "Rollouts"),
    **_module("1.0", "algorithms.seqgan", "algorithms.seqgan.trainer", "SeqGAN"),
    **_module("1.0", "algorithms.vae", "algorithms.autoencoders.vae", "VAE"),
    **_module("1.0", "architectures.highway_cnn", "architectures.text_cnn", "HighwayCNN"),
    **_module("1.0", "architectures.known", "architectures.analytic", "Gaussian", "Segment"),
    **_module("1.0", "augment", "components.augmentation", "Adaptive", "DiffAugment"),
    **_module("1.0", "constraints", "components.regularizers", "WeightClipping"),
    **_module("1.0", "datasets.folder", "datasets.image_folder", "ImageFolder"),
    **_module("1.0", "datasets.stacked", "datasets.stacked_mnist", "StackedMnist"),
    **_module("1.0", "datasets.toy", "datasets.gaussian_mixtures", "Grid", "Ring"),
    **_module("1.0", "likelihoods", "components.likelihoods", "Bernoulli", "Gaussian", "Laplace"),
    **_module("1.0", "losses", "components.losses", "Hinge", "LeastSquares", "Minimax", "NonSaturating"),
    **_module("1.0", "losses", "components.losses", "Relativistic", "Wasserstein"),
    **_module("1.0", "noise_level", "components.noise", "Adaptive", "Scheduled"),
    **_module("1.0", "optim", "components.optimizers", "Adam", "RMSprop", "SGD"),
    **_module("1.0", "penalties", "components.regularizers", "Dragan", "GradientPenalty", "R1", "R2", "Roth"),
    **_module("1.0", "schedules", "components.schedules", "Constant", "Cosine", "Exponential", "Linear"),
}


def present_name(target: str) -> str:
    """Return the present name of a class; a name that never moved comes back as it is."""
    return MOVED[target].target if target in MOVED else target


def with_present_names(node: Any) -> Any:
    """Return a plain configuration with every ``_target_``, at any depth, under its present name."""
    if isinstance(node, dict):
        return {
            key: present_name(value) if key == "_target_" and isinstance(value, str) else with_present_names(value)
            for key, value in node.items()
        }
    return [with_present_names(value) for value in node] if isinstance(node, list) else node
