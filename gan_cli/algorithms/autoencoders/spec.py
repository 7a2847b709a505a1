"""Class-level declarations of autoencoders: networks, checks, alarm rules, charts, trained models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, cast

from gan_cli.algorithms.autoencoders.alarm_rules import ACTIVE_VARIANCE, PosteriorCollapse
from gan_cli.algorithms.autoencoders.inference import TrainedAutoencoder, load_autoencoder
from gan_cli.algorithms.autoencoders.networks import build_outline
from gan_cli.algorithms.spec import AlgorithmSpec, Outline, Parts, Sizes, require_single_rate
from gan_cli.algorithms.stored_networks import StoredNetwork
from gan_cli.components.losses import Loss
from gan_cli.config.nodes import Node
from gan_cli.config.schema import Config
from gan_cli.diagnostics.rules import AlarmRule
from gan_cli.errors import ConfigError
from gan_cli.inference.exportable import ExportableNetwork
from gan_cli.inference.exportable_generator import exportable_generator
from gan_cli.inference.generator import TrainedGenerator, load_generator
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.protocols.data import Density, Images, Rows
from gan_cli.storage.stored_model import StoredModel

# Charts of the loss of every autoencoder: a question -> tags.
LOSS_CHARTS: Mapping[str, Sequence[str]] = MappingProxyType({"Does the loss fall?": ("loss/total",)})


class AutoencoderSpec(AlgorithmSpec):
    """Declarations that autoencoder and VAE share; their decoder is a generator of samples.

    Attributes:
        name: of the algorithm, and the prefix of its tags.
        heads: number of encoder outputs for each dimension of z.
        headline: short name -> tag, for the progress line.
        noun: of the algorithm, with its article, for the heading of a model card.
        description: of the algorithm, for the first sentence of a model card.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    description: ClassVar[str]
    heads: ClassVar[int]
    headline: ClassVar[Mapping[str, str]]
    supported_data: ClassVar = (Images, Rows, Density)
    eager_because: ClassVar = None
    supported_settings: ClassVar = frozenset(
        ("ema.half_life", "train.micro_batch", "device.compile", "device.sync_batch_norm")
    )
    stored_networks: ClassVar = (
        StoredNetwork("encoder", ("encoder",), average=("encoder_average",)),
        StoredNetwork("decoder", ("generator",), average=("average",)),
        StoredNetwork("likelihood", ("likelihood",), average=("likelihood_average",)),
    )

    @classmethod
    def outline(cls, architecture: object, sizes: Sizes) -> Outline:
        """Build encoder and decoder on the default device; raises ``ConfigError`` if they do not fit."""
        return build_outline(cls.name, architecture, sizes, cls.heads)

    @classmethod
    def check(cls, config: Config, parts: Parts, outline: Outline) -> None:
        """Raise ``ConfigError`` if encoder and decoder have different learning rates."""
        require_single_rate(parts.optimizer, cls.name)

    @classmethod
    def reports(cls, loss: Loss | None) -> frozenset[str]:
        """Return the tags of reconstruction and bound, on training and on held-out samples."""
        return frozenset(cls.hparam_metrics) - {"vae/kl", "vae/active_units"}

    @classmethod
    def load_sampler(cls, model: StoredModel, weights: GeneratorWeights) -> TrainedGenerator:
        """Load the decoder of a stored model."""
        return load_generator(model, weights)

    @classmethod
    def load_likelihood_model(cls, model: StoredModel, weights: GeneratorWeights) -> TrainedAutoencoder:
        """Load encoder, decoder and likelihood; raises ``ConfigError`` for a run without a posterior."""
        return load_autoencoder(model, weights)

    @classmethod
    def load_exportable(cls, model: StoredModel) -> ExportableNetwork:
        """Load the decoder, averaged, and describe it for export."""
        trained = load_generator(model)
        return exportable_generator(trained, f"Decoder of {cls.noun}", f"The decoder of {cls.description}")


class PlainAutoencoderSpec(AutoencoderSpec):
    """Declarations of the autoencoder without a prior."""

    name: ClassVar[str] = "autoencoder"
    noun: ClassVar[str] = "an autoencoder"
    description: ClassVar[str] = "an autoencoder, of codes from a Gaussian that was fitted to those of the data"
    heads: ClassVar[int] = 1  # the code itself
    headline: ClassVar[Mapping[str, str]] = {
        "reconstruction": "autoencoder/reconstruction",
        "held out": "autoencoder/reconstruction_held_out",
    }
    charts: ClassVar[Mapping[str, Sequence[str]]] = {
        "How well are training and held-out samples reconstructed?": (
            "autoencoder/reconstruction",
            "autoencoder/reconstruction_held_out",
        ),
        "How far apart are the codes?": ("autoencoder/code_variance",),
        **LOSS_CHARTS,
    }
    notes: ClassVar[Mapping[str, str]] = {
        "loss/total": "what is minimised: the reconstruction",
        "autoencoder/reconstruction": "-log p(x | z) with z the code of x, in nats per sample",
        "autoencoder/reconstruction_held_out": "the same by the moving average of the networks, of held-out samples (of"
        " other training samples where train.held_out is 0)",
        "autoencoder/code_variance": "mean variance of the dimensions of the codes",
    }
    hparam_metrics: ClassVar[tuple[str, ...]] = ("autoencoder/reconstruction", "autoencoder/reconstruction_held_out")


class VAESpec(AutoencoderSpec):
    """Declarations of the variational autoencoder."""

    name: ClassVar[str] = "vae"
    noun: ClassVar[str] = "a VAE"
    description: ClassVar[str] = "a variational autoencoder"
    heads: ClassVar[int] = 2  # mean and log-variance
    has_posterior: ClassVar[bool] = True
    headline: ClassVar[Mapping[str, str]] = {"ELBO": "vae/elbo", "held out": "vae/elbo_held_out", "KL": "vae/kl"}
    charts: ClassVar[Mapping[str, Sequence[str]]] = {
        "Does the bound rise, also on held-out samples?": ("vae/elbo", "vae/elbo_held_out"),
        "What is it made of?": ("vae/reconstruction", "vae/kl"),
        "How much of z is in use?": ("vae/active_units",),
        **LOSS_CHARTS,
    }
    notes: ClassVar[Mapping[str, str]] = {
        "loss/total": "what is minimised: reconstruction + beta KL, no dimension's KL counting less than the free bits",
        "vae/reconstruction": "-log p(x | z) with one z from the posterior, in nats per sample",
        "vae/kl": "divergence of the posterior from the prior, in nats per sample: what the code holds",
        "vae/elbo": "lower bound on log p(x) in nats per sample: -(reconstruction + KL), whatever beta",
        "vae/elbo_held_out": "the same by the moving average of the networks, of held-out samples (of"
        " other training samples where train.held_out is 0)",
        "vae/active_units": f"dimensions of z whose posterior mean has a variance above {ACTIVE_VARIANCE}",
        "vae/active_share": "the same as a share of all dimensions",
        "vae/beta": "weight of the KL in the loss",
        "vae/kl_per_dimension": "KL of each dimension of z, in nats",
    }
    hparam_metrics: ClassVar[tuple[str, ...]] = ("vae/elbo", "vae/elbo_held_out", "vae/kl", "vae/active_units")

    @classmethod
    def check(cls, config: Config, parts: Parts, outline: Outline) -> None:
        """Raise ``ConfigError`` for free bits with micro-batches, and as for every autoencoder."""
        super().check(config, parts, outline)
        if config.train.micro_batch is not None and parts.algorithm.arguments.get("free_bits", 0.0):
            raise ConfigError(
                "train.micro_batch: expected null with algorithm.free_bits, a floor of the mean over a whole batch"
            )

    @classmethod
    def alarm_rules(cls, config: Config, parts: Parts) -> list[AlarmRule]:
        """Return the rule for posterior collapse."""
        limits, arguments = config.diagnostics.posterior_collapse, parts.algorithm.arguments
        beta, free_bits = cast(Node, arguments["beta"]).build(), cast(float, arguments.get("free_bits", 0.0))
        rule = PosteriorCollapse(limits, getattr(beta, "end", None), free_bits)
        return [rule] if limits.patience else []
