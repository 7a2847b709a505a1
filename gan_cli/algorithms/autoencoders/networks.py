"""The networks of a coder, and how they are called."""

from __future__ import annotations

from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.spec import Outline, Sizes
from gan_cli.components.likelihoods import Likelihood, bounded
from gan_cli.errors import ConfigError
from gan_cli.protocols.architecture import Coding, Decoder
from gan_cli.runtime.batch_norm import separator
from gan_cli.runtime.device import Device

Network = TypeVar("Network", bound=nn.Module)


class Coders(nn.Module):
    """Encoder, decoder and likelihood: what is learned together, and averaged together."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood

    @property
    def drawing(self) -> Decoder:
        """The decoder as what it is."""
        return cast(Decoder, self.decoder)


class _Logits(nn.Module):
    """A decoder from codes to logits, as a network that can be compiled."""

    def __init__(self, coders: Coders) -> None:
        super().__init__()
        self.coders = coders

    def forward(self, codes: Tensor) -> Tensor:
        return self.coders.drawing.logits(codes)


class Calls:
    """A coder's networks in a device's number format; what comes back is float32."""

    def __init__(self, coders: Coders, device: Device) -> None:
        self._encoder: nn.Module = coders.encoder
        self._logits: nn.Module = _Logits(coders)
        self._coders = coders
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
        return bounded(self.logits(codes))

    def generate(self, z: Tensor) -> Tensor:
        """Latents of N(0, I), ``(N, latent_dim)``, to samples."""
        return self.decode(self._coders.drawing.prior(z))


class LearningCalls(Calls):
    """The calls of training: compiled where asked for, and with batch norm over all processes where asked for."""

    def __init__(self, coders: Coders, context: Context) -> None:
        super().__init__(coders, context.device)
        self._encoder = context.device.prepare(self._encoder)
        self._logits = context.device.prepare(self._logits)
        self._separate = separator(coders, context.synchronising)

    def encode(self, target: Tensor) -> Tensor:
        """``(N, *shape) -> (N, heads, latent_dim)``."""
        with self._separate(1):
            return super().encode(target)

    def logits(self, codes: Tensor) -> Tensor:
        """``(N, latent_dim) -> (N, *shape)``."""
        with self._separate(1):
            return super().logits(codes)


def outlined(name: str, architecture: object, sizes: Sizes, heads: int) -> Outline:
    """Encoder and decoder for these sizes; to be called under ``torch.device("meta")``.

    Args:
        name: of the algorithm, for messages.
        architecture: that was chosen.
        sizes: of the data.
        heads: numbers for each dimension of z.

    Raises:
        ConfigError: the architecture builds no encoder, or does not fit; or classes or packs are asked for.
    """
    coding = as_coding(name, architecture)
    require_plain(name, sizes.classes, sizes.pac)
    encoder, decoder = coding.encoder(sizes.shape, heads), coding.decoder(sizes.shape)

    def run() -> Tensor:
        samples: Tensor = decoder(encoder(torch.empty(2, *sizes.shape, device="meta"))[:, 0])
        return samples

    return Outline({"encoder": encoder, "decoder": decoder}, run)


def as_coding(name: str, architecture: object) -> Coding:
    """The architecture as one with an encoder; raises ``ConfigError`` if it has none."""
    if not isinstance(architecture, Coding):
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
