"""The networks of an autoencoder, and calls of them in a device's number format."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.forward import TrainingForward
from gan_cli.algorithms.spec import Outline, Sizes
from gan_cli.components.likelihoods import Likelihood, samples_from_logits
from gan_cli.errors import ConfigError
from gan_cli.protocols.architecture import AutoencoderArchitecture, Decoder
from gan_cli.protocols.conditions import Condition
from gan_cli.runtime.device import Device

Network = TypeVar("Network", bound=nn.Module)


class EncoderDecoder(nn.Module):
    """Encoder, decoder and likelihood as one module, for the optimizer and the moving average."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood

    @property
    def typed_decoder(self) -> Decoder:
        """The decoder with its static type."""
        return cast(Decoder, self.decoder)


class _Logits(nn.Module):
    """The decoder from codes to logits, as a module that can be compiled."""

    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, codes: Tensor) -> Tensor:
        return self.model.typed_decoder.logits(codes)


class Networks:
    """Calls of the networks in a device's number format; results are float32."""

    def __init__(self, model: EncoderDecoder, device: Device) -> None:
        self._encoder: Callable[[Tensor], Tensor] = model.encoder
        self._logits: Callable[[Tensor], Tensor] = _Logits(model)
        self._model = model
        self._device = device

    def encode(self, target: Tensor) -> Tensor:
        """Encode samples, ``(N, *shape) -> (N, heads, latent_dim)``."""
        with self._device.precision():
            return self._encoder(target).float()

    def logits(self, codes: Tensor) -> Tensor:
        """Decode codes to logits, ``(N, latent_dim) -> (N, *shape)``."""
        with self._device.precision():
            return self._logits(codes).float()

    def decode(self, codes: Tensor) -> Tensor:
        """Decode codes to samples, ``(N, latent_dim) -> (N, *shape)``."""
        return samples_from_logits(self.logits(codes))

    def generate(self, z: Tensor) -> Tensor:
        """Generate samples from latents of N(0, I), ``(N, latent_dim) -> (N, *shape)``."""
        return self.decode(self._model.typed_decoder.prior(z))


class TrainingNetworks(Networks):
    """Calls of the networks in training: compiled and with batch norm over all processes, if so configured."""

    def __init__(self, model: EncoderDecoder, context: Context) -> None:
        super().__init__(model, context.device)
        self._encoder = TrainingForward(model.encoder, context.device, context.batch_norm_group)
        self._logits = TrainingForward(_Logits(model), context.device, context.batch_norm_group)


def build_outline(name: str, architecture: object, sizes: Sizes, heads: int) -> Outline:
    """Build encoder and decoder for these sizes; on the default device.

    Args:
        name: of the algorithm, for messages.
        architecture: as configured.
        sizes: of the data.
        heads: number of encoder outputs for each dimension of z.

    Raises:
        ConfigError: the architecture builds no encoder, or does not fit; or classes or packs are configured.
    """
    builder = as_autoencoder_architecture(name, architecture)
    require_plain(name, sizes.condition, sizes.pac)
    encoder, decoder = builder.encoder(sizes.shape, heads), builder.decoder(sizes.shape)

    def run() -> Tensor:
        device = next(encoder.parameters()).device
        samples: Tensor = decoder(encoder(torch.empty(2, *sizes.shape, device=device))[:, 0])
        return samples

    return Outline({"encoder": encoder, "decoder": decoder}, run)


def as_autoencoder_architecture(name: str, architecture: object) -> AutoencoderArchitecture:
    """Return the architecture if it builds an encoder; raises ``ConfigError`` if not."""
    if not isinstance(architecture, AutoencoderArchitecture):
        raise ConfigError(
            f"architecture: expected vae or vae_conv with algorithm={name}, got {type(architecture).__name__}, which"
            " builds no encoder"
        )
    return architecture


def require_plain(name: str, condition: Condition, pac: int) -> None:
    """Raise ``ConfigError`` for labels and packs, which only GANs support."""
    if condition:
        raise ConfigError(f"conditional: expected false with algorithm={name}, whose decoder is unconditional")
    if pac != 1:
        raise ConfigError(f"pac: expected 1 with algorithm={name}, which has no discriminator, got {pac}")


def require_fitting(likelihood: Likelihood, shape: tuple[int, ...]) -> None:
    """Raise ``ConfigError`` if the likelihood is one of pixels and the data are no images."""
    if likelihood.images_only and len(shape) != 3:
        raise ConfigError(
            f"algorithm/likelihood: expected gaussian or l1 for samples of shape {shape}, got"
            f" {type(likelihood).__name__}, which takes them for pixels"
        )
