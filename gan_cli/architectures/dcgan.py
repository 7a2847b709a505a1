"""DCGAN (Radford et al. 2016) for any square size that halves down to 4, 5, 6 or 7 pixels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from gan_cli.errors import ConfigError, require

LARGEST = 128
BASES = (4, 5, 6, 7)
SIZES = sorted(base << levels for base in BASES for levels in range(1, 6) if base << levels <= LARGEST)


@dataclass(frozen=True)
class DCGAN:
    """Strided convolutions with batch norm; ReLU in G, LeakyReLU(0.2) in D; weights from N(0, 0.02).

    The smallest feature map is 4 to 7 pixels wide (28 = 7 * 4, 64 = 4 * 16), and each halving doubles the
    channels. For 64 x 64 and ``width`` 64 these are the layers of the authors' reference implementation:
    512, 256, 128, 64 channels at 4, 8, 16, 32 pixels, and back.

    Attributes:
        latent_dim: dimensions of z.
        width_g: channels of G's largest feature map.
        width_d: channels of D's largest feature map.
    """

    latent_dim: int = 100
    width: int = 64
    width_g: int | None = None
    width_d: int | None = None

    def __post_init__(self) -> None:
        for key in ("latent_dim", "width", "width_g", "width_d"):
            value = getattr(self, key)
            require(value is None or value >= 1, key, value, "an integer >= 1")

    def generator(self, shape: tuple[int, ...]) -> nn.Module:
        """``(N, latent_dim) -> (N, C, S, S)`` in [-1, 1]."""
        channels, base, levels = _fit(shape)
        widths = [(self.width_g or self.width) << level for level in reversed(range(levels))]
        layers: list[nn.Module] = [
            nn.Unflatten(1, (self.latent_dim, 1, 1)),
            nn.ConvTranspose2d(self.latent_dim, widths[0], base, 1, 0, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        ]
        for before, after in pairwise(widths):
            layers.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False))
            layers += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False), nn.Tanh()]
        return nn.Sequential(*layers).apply(_initialise)

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """``(N, C, S, S) -> (N,)`` logits."""
        channels, base, levels = _fit(shape)
        widths = [(self.width_d or self.width) << level for level in range(levels)]
        layers: list[nn.Module] = [
            nn.Conv2d(channels, widths[0], 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for before, after in pairwise(widths):
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=False))
            layers += [nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True)]
        layers += [nn.Conv2d(widths[-1], 1, base, 1, 0, bias=False), nn.Flatten(0)]
        return nn.Sequential(*layers).apply(_initialise)


def _fit(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """``(channels, base size, halvings)`` for images of this shape."""
    if len(shape) != 3:
        raise ConfigError(
            f"architecture: dcgan builds images, but a sample of this dataset has shape {shape}."
            " Use architecture=mlp or mlp_small"
        )
    channels, height, width = shape
    if height != width or height not in SIZES:
        sizes = ", ".join(map(str, SIZES))
        raise ConfigError(f"architecture: dcgan builds square images of size {sizes}; got {height}x{width}")
    levels = next(levels for levels in range(1, 6) if height >> levels in BASES)
    return channels, height >> levels, levels


def _initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), as the paper says in section 4; batch norm scales around 1."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
