"""Class-level declarations of diffusion: its network, checks of the configuration, alarm rules and charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch

from gan_cli.algorithms.diffusion.alarm_rules import LossDoesNotFall
from gan_cli.algorithms.diffusion.export import exportable_step
from gan_cli.algorithms.diffusion.inference import TrainedDenoiser, load_denoiser
from gan_cli.algorithms.diffusion.networks import DenoiserArchitecture
from gan_cli.algorithms.diffusion.settings import DiffusionSettings
from gan_cli.algorithms.diffusion.tags import ALARMS, EXPLAINED, HELD_OUT
from gan_cli.algorithms.spec import AlgorithmSpec, Outline, Parts, Sizes, require_single_rate
from gan_cli.algorithms.stored_networks import StoredNetwork
from gan_cli.architectures.conditioning import example_labels
from gan_cli.components.losses import Loss
from gan_cli.components.optimizers import SGD
from gan_cli.config.schema import Config
from gan_cli.diagnostics.rules import AlarmRule
from gan_cli.errors import ConfigError
from gan_cli.inference.exportable import ExportableNetwork
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.protocols.data import Density, Images, Rows, data_kinds
from gan_cli.storage.stored_model import StoredModel

# Timesteps are reported in this many parts of equal length, as in Nichol & Dhariwal's code.
QUARTILES = tuple(f"loss/t_quartile_{number}" for number in (1, 2, 3, 4))


class DiffusionSpec(AlgorithmSpec):
    """Declarations of a denoising diffusion model of images or points."""

    name: ClassVar[str] = "diffusion"
    supported_data: ClassVar = (Images, Rows, Density)
    eager_because: ClassVar = None
    supported_settings: ClassVar = frozenset(("conditional", "ema.half_life", "train.micro_batch", "device.compile"))
    stored_networks: ClassVar = (StoredNetwork("g", ("generator",), average=("average",)),)
    headline: ClassVar[Mapping[str, str]] = {"loss": "loss/total", "held out": HELD_OUT}
    charts: ClassVar[Mapping[str, Sequence[str]]] = {
        "Does the loss fall, also on held-out samples?": ("loss/total", HELD_OUT),
        "At which noise is the loss? Quartiles of t, the first with the least noise": QUARTILES,
        "How much of its target does the network explain? 0 before training": (EXPLAINED,),
        "Norm of the gradient": ("grad_norm/g",),
    }
    notes: ClassVar[Mapping[str, str]] = {
        "loss/total": "mean squared error of the predicted v, or noise, over all timesteps (Ho et al. 2020, eq. 14)",
        HELD_OUT: "the same by the moving average of the network, of held-out samples (of other training samples"
        " where train.held_out is 0) at evenly spaced timesteps",
        **{
            tag: f"the loss at timesteps {number - 1}/4 T to {number}/4 T; more timesteps, more noise"
            for number, tag in enumerate(QUARTILES, start=1)
        },
        EXPLAINED: "1 - loss / mean square of the target, v or the noise: the share of it that the network explains",
    }
    own_alarms: ClassVar[tuple[str, ...]] = ALARMS
    hparam_metrics: ClassVar[tuple[str, ...]] = ("loss/total", HELD_OUT, EXPLAINED)

    @classmethod
    def outline(cls, architecture: DenoiserArchitecture, sizes: Sizes) -> Outline:
        """Build the denoiser on the default device; raises ``ConfigError`` if it does not fit the data."""
        denoiser = architecture.denoiser(sizes.shape, sizes.condition)

        def run() -> None:
            labels = example_labels(sizes.condition, 2)
            denoiser(torch.empty(2, *sizes.shape), torch.ones(2), *labels)

        return Outline({"denoiser": denoiser}, run)

    @classmethod
    def check(cls, config: Config, parts: Parts, outline: Outline) -> None:
        """Raise ``ConfigError`` for two learning rates, and for settings of sampling that are out of range."""
        require_single_rate(parts.optimizer, cls.name)
        settings = DiffusionSettings.from_node(parts.algorithm)
        if settings.guidance != 1 and not config.conditional:
            raise ConfigError(f"algorithm.guidance: expected 1 without conditional=true, got {settings.guidance:g}")
        if Images not in data_kinds(type(parts.dataset)):
            settings.require_stable_for_points()

    @classmethod
    def alarm_rules(cls, config: Config, parts: Parts) -> list[AlarmRule]:
        """Return the rule for a loss that does not fall; its thresholds are its own."""
        return [LossDoesNotFall(parts.optimizer.lr, adaptive=not isinstance(parts.optimizer, SGD))]

    @classmethod
    def reports(cls, loss: Loss | None) -> frozenset[str]:
        """Return the tag of the loss on held-out samples."""
        return frozenset((HELD_OUT,))

    @classmethod
    def load_sampler(cls, model: StoredModel, weights: GeneratorWeights) -> TrainedDenoiser:
        """Load the denoiser of a stored model, with the sampler of its configuration."""
        return load_denoiser(model, weights)

    @classmethod
    def load_exportable(cls, model: StoredModel) -> ExportableNetwork:
        """Load the denoiser, averaged, and describe one step of the reverse process for export."""
        return exportable_step(load_denoiser(model))
