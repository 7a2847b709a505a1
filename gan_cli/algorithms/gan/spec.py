"""Class-level declarations of GANs: networks, checks of the configuration, alarm rules, charts, trained models."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from gan_cli.algorithms.gan.alarm_rules import alarm_rules
from gan_cli.algorithms.gan.suggestions import GANSettings
from gan_cli.algorithms.spec import ALGORITHM_SPECIFIC_KEYS, AlgorithmSpec, Outline, Parts, Sizes
from gan_cli.algorithms.stored_networks import StoredNetwork
from gan_cli.architectures.blocks import freeze_first, require_blocks
from gan_cli.architectures.conditioning import example_labels
from gan_cli.architectures.spectral_norm import has_spectral_norm
from gan_cli.components.losses import Loss, divergence_names
from gan_cli.components.optimizers import Adam
from gan_cli.config.diagnostics import OnAlarm
from gan_cli.config.schema import Config, NonFinite
from gan_cli.config.targets import resolve
from gan_cli.diagnostics.rules import AlarmRule
from gan_cli.errors import ConfigError
from gan_cli.inference.exportable import ExportableNetwork
from gan_cli.inference.exportable_generator import exportable_generator
from gan_cli.inference.generator import TrainedGenerator, load_generator
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.protocols.adversarial import NoiseLevel
from gan_cli.protocols.algorithm import Algorithm, StackedRuns
from gan_cli.protocols.architecture import Architecture
from gan_cli.protocols.data import Density, Images, Rows, data_kinds
from gan_cli.runtime.batch_norm import couples_samples
from gan_cli.storage.stored_model import StoredModel

logger = logging.getLogger(__name__)


class GANSpec(AlgorithmSpec):
    """Declarations of a GAN of any generator and discriminator, on images or points."""

    supported_data: ClassVar = (Images, Rows, Density)
    eager_because: ClassVar = None
    supported_settings: ClassVar = frozenset(ALGORITHM_SPECIFIC_KEYS)
    stored_networks: ClassVar = (
        StoredNetwork("g", ("generator",), average=("average",), outline="generator"),
        StoredNetwork("d", ("judge", "network"), outline="discriminator"),
    )
    # One question each. Divergences have different units, and so a chart each.
    charts: ClassVar = {
        "Is D too strong? AUC of D (0.5: D cannot tell real from generated samples, 1: it always can)": ["d/auc"],
        "D(x), the mean over real samples": ["d_real/mean"],
        "D(G(z)), the mean over generated samples": ["d_fake/mean"],
        **{
            f"How far apart are real and generated samples for D? {name}{limit}": [f"divergence/{name}"]
            for name, limit in {**dict.fromkeys(divergence_names(), ""), "jsd": " (at most log 2 = 0.693)"}.items()
        },
        "Value of the game V(D, G) (0: D is always right, -2 log 2 = -1.386: D is 1/2 everywhere)": ["game/value"],
        "Does D memorise? Divergence on training samples less that on held-out ones": ["diagnosis/held_out_gap"],
        "Is G still learning? Gradient at a generated sample": ["diagnosis/gradient"],
        "Are modes missing? Share of the real modes that G reaches": ["diagnosis/modes"],
        "Are samples alike? Diversity of generated samples (1: that of real ones)": ["diagnosis/diversity"],
        "Loss of D": ["loss/d"],
        "Loss of G": ["loss/g"],
        "What the penalties cost D": ["loss/penalty"],
        "Norm of the gradient of D's weights": ["grad_norm/d"],
        "Norm of the gradient of G's weights": ["grad_norm/g"],
        "Instance noise": ["noise/sigma"],
    }
    notes: ClassVar = {
        "diagnosis/held_out_gap": "The divergence on D's training samples, less that on held-out ones: D memorizes the"
        " former.",
        "diagnosis/gradient": "Norm of dL_G/dG(z) per generated sample, mean over samples.",
    }
    hparam_metrics: ClassVar = ("loss/d", "loss/g", *(f"divergence/{name}" for name in divergence_names()))

    @classmethod
    def outline(cls, architecture: Architecture, sizes: Sizes) -> Outline:
        """Build G and D on the default device; raises ``ConfigError`` if they do not fit the data."""
        first, *rest = sizes.shape
        pack_shape = (sizes.pac * first, *rest)
        generator = architecture.generator(sizes.shape, sizes.condition)
        discriminator = architecture.discriminator(pack_shape, sizes.condition)

        def run() -> None:
            # Two samples, the fewest that batch norm accepts.
            labels = example_labels(sizes.condition, 2)
            generator(torch.empty(2, architecture.latent_dim), *labels)
            discriminator(torch.empty(2, *pack_shape), *labels)

        return Outline({"generator": generator, "discriminator": discriminator}, run)

    @classmethod
    def check(cls, config: Config, parts: Parts, outline: Outline) -> None:
        """Raise ``ConfigError`` for settings that networks, penalties or replicas rule out; freeze the outline."""
        assert parts.loss is not None  # the constructor takes one
        _freeze(config, outline)
        if parts.loss.penalties:
            _check_penalties(config, parts.loss, outline)
        if config.train.micro_batch is not None and parts.loss.top_k is not None:
            raise ConfigError("train.micro_batch: expected null with loss/top_k, which ranks a whole batch")
        if config.train.replicas > 1:
            _check_replicas(config, parts, parts.loss, outline)

    @classmethod
    def batch_statistics(cls, parts: Parts, outline: Outline) -> list[str]:
        """Name what is computed from all samples at once: by batch norm, and by penalties that say so."""
        assert parts.loss is not None  # the constructor takes one
        of_penalties = (getattr(penalty, "batch_statistic", "") for penalty in parts.loss.penalties.values())
        return super().batch_statistics(parts, outline) + list(filter(None, of_penalties))

    @classmethod
    def alarm_rules(cls, config: Config, parts: Parts) -> list[AlarmRule]:
        """Return the alarm rules for the divergence that D estimates."""
        return alarm_rules(config.diagnostics, _settings(config, parts))

    @classmethod
    def reports(cls, loss: Loss | None) -> frozenset[str]:
        """Return the tags of the divergence that D estimates, on training and on held-out samples."""
        assert loss is not None  # the constructor takes one
        tag = f"divergence/{loss.objective.divergence_name}"
        return frozenset((tag, f"{tag}_held_out"))

    @classmethod
    def stack(cls, runs: Sequence[Algorithm], parts: Parts) -> StackedRuns:
        """Stack the runs, so that each operation is executed once for all of them."""
        # By its name: its module imports the trainer, which imports this one.
        replicas: Any = resolve("gan_cli.algorithms.gan.replicas.Replicas", "train.replicas")
        stacked: StackedRuns = replicas(runs, parts.loss, parts.noise_level(), parts.optimizer)
        return stacked

    @classmethod
    def load_sampler(cls, model: StoredModel, weights: GeneratorWeights) -> TrainedGenerator:
        """Load G of a stored model."""
        return load_generator(model, weights)

    @classmethod
    def load_exportable(cls, model: StoredModel) -> ExportableNetwork:
        """Load G, averaged, and describe it for export."""
        trained = load_generator(model)
        return exportable_generator(trained, "Generator of a GAN", "The generator of a generative adversarial network")


def _settings(config: Config, parts: Parts) -> GANSettings:
    """Return the settings that suggestions of alarms depend on."""
    assert parts.loss is not None  # the constructor takes one
    objective = parts.loss.objective
    return GANSettings(
        divergence=f"divergence/{objective.divergence_name}",
        ceiling=objective.ceiling,
        lr_g=parts.optimizer.rate_g,
        lr_d=parts.optimizer.rate_d,
        d_steps=parts.loss.d_steps.regular,
        betas=parts.optimizer.betas if isinstance(parts.optimizer, Adam) else None,
        penalized=bool(parts.loss.penalties),
        noisy=parts.noise is not None,
        packable=config.pac == 1 and config.train.batch_size % 4 == 0 and not config.conditional,
        augmentable=parts.augment is None and Images in data_kinds(type(parts.dataset)),
    )


def _freeze(config: Config, outline: Outline) -> None:
    """Freeze the blocks of the outline that are not trained; raises ``ConfigError`` where there are too few."""
    names = {"g": ("generator", config.freeze.g), "d": ("discriminator", config.freeze.d)}
    for key, (name, count) in names.items():
        if count:
            require_blocks(f"freeze.{key}", outline.networks[name], f"the {name}", count)
            freeze_first(outline.networks[name], count)
    if (config.freeze.g or config.freeze.d) and config.init.run is None and config.fork.run is None:
        logger.warning("freeze: without init=RUN_DIR, frozen blocks keep the random weights that they begin with")


def _check_penalties(config: Config, loss: Loss, outline: Outline) -> None:
    if config.device.compile:
        raise ConfigError(
            f"device.compile: expected false with penalties ({', '.join(loss.penalties)}), got true: torch.compile"
            " cannot differentiate a gradient again. Use device.compile=false or loss/penalty=none"
        )
    if couples_samples(outline.networks["discriminator"]):
        logger.warning(
            "penalties bound D's gradient sample by sample, but batch norm makes D's logit of one sample depend on the"
            " others: architecture.norm_d=layer or none"
        )


def _check_replicas(config: Config, parts: Parts, loss: Loss, outline: Outline) -> None:
    """Raise ``ConfigError`` for settings that use a whole batch, or draw from a stream that is not stacked."""
    sampling_penalties = [name for name, penalty in loss.penalties.items() if not penalty.gradient_sides]
    reasons = {
        f"with the penalty {', '.join(sampling_penalties)}, which draws points of its own": bool(sampling_penalties),
        "with loss/top_k, which ranks a whole batch": loss.top_k is not None,
        "with train.micro_batch, whose parts are not those of the runs": config.train.micro_batch is not None,
        "with augment, which draws from a stream of its own": parts.augment is not None,
        "with freeze, which replicas do not share": bool(config.freeze.g or config.freeze.d),
        "with noise=adaptive, which follows one D": isinstance(parts.noise, NoiseLevel),
        "with device.compile=true": config.device.compile,
        "with device.channels_last=true, a layout that stacked weights cannot have": bool(config.device.channels_last),
        "with spectral norm, whose power iterations are those of one D": has_spectral_norm(
            outline.networks["discriminator"]
        ),
    }
    for reason, unsupported in reasons.items():
        if unsupported:
            raise ConfigError(f"train.replicas: expected 1 {reason}")
    if config.diagnostics.on_alarm is not OnAlarm.warn:
        raise ConfigError(
            "diagnostics.on_alarm: expected warn with train.replicas > 1, because the runs continue together, got"
            f" {config.diagnostics.on_alarm.name}"
        )
    if config.non_finite is not NonFinite.stop:
        raise ConfigError(
            "train.non_finite: expected stop or null with train.replicas > 1, because the runs continue together, got"
            f" {config.non_finite.name}"
        )
