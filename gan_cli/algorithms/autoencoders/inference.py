"""Load the trained encoder and decoder of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn

from gan_cli.components.likelihoods import Likelihood
from gan_cli.config.nodes import Node
from gan_cli.config.validate import validate_config
from gan_cli.errors import ConfigError
from gan_cli.inference.loading import GeneratorWeights, checkpoint_errors, network_device, run_dataset
from gan_cli.protocols.architecture import AutoencoderArchitecture, Decoder
from gan_cli.protocols.rng import Stream
from gan_cli.storage.stored_model import StoredModel

# Keys of encoder, decoder and likelihood in a checkpoint.
KEYS: Mapping[GeneratorWeights, tuple[str, str, str]] = MappingProxyType(
    {
        GeneratorWeights.average: ("encoder_average", "average", "likelihood_average"),
        GeneratorWeights.raw: ("encoder", "generator", "likelihood"),
    }
)


@dataclass(frozen=True)
class TrainedAutoencoder:
    """The trained VAE of a run, in evaluation mode; on the CPU, unless :meth:`to` moved it.

    Attributes:
        encoder: ``(N, *shape) -> (N, 2, latent_dim)``, mean and log-variance.
        decoder: ``(N, latent_dim) -> (N, *shape)``; a ``Decoder``.
        likelihood: the distribution p(x | z).
        step: number of updates it was trained for.
        facts: the node of the configuration that ``likelihood`` was built from.
    """

    encoder: nn.Module
    decoder: nn.Module
    likelihood: Likelihood
    step: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to(self, device: torch.device) -> None:
        """Let the networks compute on a device; what the methods take and return stays on the CPU."""
        for network in (self.encoder, self.decoder, self.likelihood):
            network.to(device)

    def targets(self, samples: Tensor, stream: Stream) -> Tensor:
        """Convert samples ``(N, *shape)`` in [-1, 1] to what the likelihood is a distribution of."""
        return self.likelihood.target(samples, stream)  # no parameters are used: pixels are binarized, or kept

    def posterior(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the posterior's mean and log-variance, ``(N, latent_dim)`` each."""
        mean, log_variance = self.encoder(targets.to(network_device(self.encoder))).cpu().unbind(1)
        return mean, log_variance

    def log_likelihood(self, targets: Tensor, codes: Tensor) -> Tensor:
        """Return ``log p(x | z)``, ``(N,)``, of targets x given codes z."""
        device = network_device(self.decoder)
        logits = cast(Decoder, self.decoder).logits(codes.to(device))
        return self.likelihood.log_prob(targets.to(device), logits).cpu()


def load_autoencoder(model: StoredModel, weights: GeneratorWeights = GeneratorWeights.average) -> TrainedAutoencoder:
    """Load the VAE of a stored model; raise ``ConfigError`` if there is none."""
    typed = validate_config(model.stored_config())
    dataset = run_dataset(model)
    state = model.load_state()
    if state["algorithm"].get("heads") != 2:
        raise ConfigError(f"{model.path}: expected a run with algorithm=vae; this one has no posterior over codes")
    architecture: AutoencoderArchitecture = Node.parse(
        typed.architecture, "architecture", AutoencoderArchitecture
    ).build()
    likelihood: Likelihood = Node.parse(typed.algorithm["likelihood"], "algorithm.likelihood", Likelihood).build()
    networks = (architecture.encoder(dataset.shape, 2), architecture.decoder(dataset.shape), likelihood)
    with checkpoint_errors(model.weights_path):
        for key, network in zip(KEYS[weights], networks, strict=True):
            network.load_state_dict(state["algorithm"][key])
            network.eval().requires_grad_(False)
        step = int(state["step"])
    return TrainedAutoencoder(*networks, step, {"likelihood": dict(typed.algorithm["likelihood"])})
