"""DCGAN (Radford et al. 2016) for images of any height and width."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from gan_cli.architectures.layers import (
    ConditionalGenerator,
    Norm,
    ProjectionDiscriminator,
    embedding,
    norm_2d,
)
from gan_cli.architectures.pyramid import pyramid, strided_conv, transposed_conv
from gan_cli.architectures.spectral_norm import apply_spectral_norm
from gan_cli.components.ranges import Width, check_ranges
from gan_cli.protocols.conditions import Condition

# Doublings of the channels, enough for images of 128 pixels; larger ones have more layers of that width.
MAX_DOUBLINGS = 4


@dataclass(frozen=True)
class DCGAN:
    """Strided convolutions with batch norm; ReLU in G, LeakyReLU(0.2) in D; weights from N(0, 0.02).

    The smallest feature map is 4 to 7 pixels high and wide (28 = 7 * 4, 64 = 4 * 16), and each halving doubles the
    channels, four times at most. For 64 x 64 and ``width`` 64 these are the layers of the authors' reference
    implementation: 512, 256, 128, 64 channels at 4, 8, 16, 32 pixels, and back. A side that does not halve without
    remainder has kernels of 3 instead of 4 pixels there.

    Attributes:
        latent_dim: dimensions of z.
        width: channels of the largest feature map, where no other width is given.
        width_g: channels of G's largest feature map.
        width_d: channels of D's largest feature map.
        norm_g: normalisation of G's layers.
        norm_d: normalisation of D's layers, all but the first.
        spectral_norm: divide D's weights by their largest singular value (Miyato et al. 2018).
        class_embedding: dimensions of the embedding of labels that is concatenated with z, where there are labels.
    """

    latent_dim: Width = 100
    width: Width = 64
    width_g: Width | None = None
    width_d: Width | None = None
    norm_g: Norm = Norm.batch
    norm_d: Norm = Norm.batch
    spectral_norm: bool = False
    class_embedding: Width = 32

    def __post_init__(self) -> None:
        check_ranges(self)

    def generator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, latent_dim) -> (N, C, H, W)`` in [-1, 1]; raises ``ConfigError`` where it cannot."""
        fit = pyramid("dcgan", shape)
        widths = fit.widths(self.width_g or self.width, MAX_DOUBLINGS)[::-1]
        inputs = self.latent_dim + (self.class_embedding if classes else 0)
        layers: list[nn.Module] = [
            nn.Unflatten(1, (inputs, 1, 1)),
            nn.ConvTranspose2d(inputs, widths[0], fit.base, 1, 0, bias=False),
            *norm_2d(self.norm_g, widths[0]),
            nn.ReLU(inplace=True),
        ]
        for channels, sizes in zip(pairwise(widths), fit.doublings[:-1], strict=True):
            layers.append(transposed_conv(*channels, *sizes, bias=False))
            layers += [*norm_2d(self.norm_g, channels[1]), nn.ReLU(inplace=True)]
        layers += [transposed_conv(widths[-1], fit.channels, *fit.doublings[-1], bias=False), nn.Tanh()]
        body = nn.Sequential(*layers).apply(_initialize)
        return ConditionalGenerator(body, embedding(classes, self.class_embedding))

    def discriminator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, C, H, W) -> (N,)`` of logits; raises ``ConfigError`` where it cannot."""
        fit = pyramid("dcgan", shape)
        widths = fit.widths(self.width_d or self.width, MAX_DOUBLINGS)
        layers: list[nn.Module] = [
            strided_conv(fit.channels, widths[0], *fit.halvings[0], bias=False),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for channels, sizes in zip(pairwise(widths), fit.halvings[1:], strict=True):
            layers.append(strided_conv(*channels, *sizes, bias=False))
            layers += [*norm_2d(self.norm_d, channels[1]), nn.LeakyReLU(0.2, inplace=True)]
        head = nn.Conv2d(widths[-1], 1, fit.base, 1, 0, bias=False)
        network = ProjectionDiscriminator(nn.Sequential(*layers), head, embedding(classes, widths[-1])).apply(
            _initialize
        )
        return apply_spectral_norm(network) if self.spectral_norm else network


def _initialize(module: nn.Module) -> None:
    """Initialize weights from N(0, 0.02), as in section 4 of the paper, and batch norm scales from N(1, 0.02)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
