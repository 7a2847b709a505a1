"""The networks of a coder, and how they are called."""

from __future__ import annotations

from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.spec import Outline, Sizes
from gan_cli.components.likelihoods import Likelihood, samples_from_logits
from gan_cli.errors import ConfigError
from gan_cli.protocols.architecture import AutoencoderArchitecture, Decoder
from gan_cli.runtime.batch_norm import per_minibatch_statistics
from gan_cli.runtime.device import Device

Network = TypeVar("Network", bound=nn.Module)


class EncoderDecoder(nn.Module):
    """Encoder, decoder and likelihood: what is learned together, and averaged together."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood

    @property
    def typed_decoder(self) -> Decoder:
        """The decoder as what it is."""
        return cast(Decoder, self.decoder)


class _Logits(nn.Module):
    """A decoder from codes to logits, as a network that can be compiled."""

    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, codes: Tensor) -> Tensor:
        return self.model.typed_decoder.logits(codes)


class Networks:
    """A coder's networks in a device's number format; what comes back is float32."""

    def __init__(self, model: EncoderDecoder, device: Device) -> None:
        self._encoder: nn.Module = model.encoder
        self._logits: nn.Module = _Logits(model)
        self._model = model
        self._device = device

    def encode(self, target: Tensor) -> Tensor:
        """``(N, *shape) -> (N, heads, latent_dim)``."""
        with self._device.precision():
            heads: Tensor = self._encoder(target)
        return heads.float()

    def logits(self, codes: Tensor) -> Tensor:
        """``(N, latent_dim) -> (N, *shape)``."""
        with self._device.precision():
            logits: Tensor = self._logits(codes)
        return logits.float()

    def decode(self, codes: Tensor) -> Tensor:
        """``(N, latent_dim) -> (N, *shape)``, samples."""
        return samples_from_logits(self.logits(codes))

    def generate(self, z: Tensor) -> Tensor:
        """Latents of N(0, I), ``(N, latent_dim)``, to samples."""
        return self.decode(self._model.typed_decoder.prior(z))


class TrainingNetworks(Networks):
    """The calls of training: compiled where asked for, and with batch norm over all processes where asked for."""

    def __init__(self, model: EncoderDecoder, context: Context) -> None:
        super().__init__(model, context.device)
        self._encoder = context.device.prepare(self._encoder)
        self._logits = context.device.prepare(self._logits)
        self._separate = per_minibatch_statistics(model, context.batch_norm_group)

    def encode(self, target: Tensor) -> Tensor:
        """``(N, *shape) -> (N, heads, latent_dim)``."""
        with self._separate(1):
            return super().encode(target)

    def logits(self, codes: Tensor) -> Tensor:
        """``(N, latent_dim) -> (N, *shape)``."""
        with self._separate(1):
            return super().logits(codes)


def build_outline(name: str, architecture: object, sizes: Sizes, heads: int) -> Outline:
    """Encoder and decoder for these sizes; to be called under ``torch.device("meta")``.

    Args:
        name: of the algorithm, for messages.
        architecture: that was chosen.
        sizes: of the data.
        heads: numbers for each dimension of z.

    Raises:
        ConfigError: the architecture builds no encoder, or does not fit; or classes or packs are asked for.
    """
    coding = as_autoencoder_architecture(name, architecture)
    require_plain(name, sizes.classes, sizes.pac)
    encoder, decoder = coding.encoder(sizes.shape, heads), coding.decoder(sizes.shape)

    def run() -> Tensor:
        samples: Tensor = decoder(encoder(torch.empty(2, *sizes.shape, device="meta"))[:, 0])
        return samples

    return Outline({"encoder": encoder, "decoder": decoder}, run)


def as_autoencoder_architecture(name: str, architecture: object) -> AutoencoderArchitecture:
    """The architecture as one with an encoder; raises ``ConfigError`` if it has none."""
    if not isinstance(architecture, AutoencoderArchitecture):
        raise ConfigError(
            f"architecture: expected vae or vae_conv with algorithm={name}, got {type(architecture).__name__}, which"
            " builds no encoder"
        )
    return architecture


def require_plain(name: str, classes: int, pac: int) -> None:
    """Raise ``ConfigError`` for what only a game has."""
    if classes:
        raise ConfigError(f"conditional: expected false with algorithm={name}, whose decoder is told no classes")
    if pac != 1:
        raise ConfigError(f"pac: expected 1 with algorithm={name}, which has no discriminator, got {pac}")


def require_fitting(likelihood: Likelihood, shape: tuple[int, ...]) -> None:
    """Raise ``ConfigError`` if the likelihood is one of pixels and the data are none."""
    if likelihood.images_only and len(shape) != 3:
        raise ConfigError(
            f"algorithm/likelihood: expected gaussian or l1 for samples of shape {shape}, got"
            f" {type(likelihood).__name__}, which takes them for pixels"
        )
