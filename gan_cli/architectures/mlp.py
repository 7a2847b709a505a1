"""Multi-layer perceptrons for images and for points in the plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from gan_cli.errors import require


@dataclass(frozen=True)
class MLP:
    """Fully connected generator and discriminator, with LeakyReLU(0.2) between their layers.

    Attributes:
        latent_dim: dimensions of z.
        generator_hidden: widths of G's hidden layers.
        discriminator_hidden: widths of D's hidden layers.
        batch_norm_g: normalise G's hidden layers (all but the first) over the batch.
        batch_norm_d: the same for D's.
    """

    latent_dim: int = 100
    generator_hidden: tuple[int, ...] = (256, 512, 1024)
    discriminator_hidden: tuple[int, ...] = (512, 256)
    batch_norm_g: bool = True
    batch_norm_d: bool = False

    def __post_init__(self) -> None:
        require(self.latent_dim >= 1, "latent_dim", self.latent_dim, "an integer >= 1")
        for key in ("generator_hidden", "discriminator_hidden"):
            widths = getattr(self, key)
            require(all(width >= 1 for width in widths), key, list(widths), "a list of integers >= 1")

    def generator(self, shape: tuple[int, ...]) -> nn.Module:
        """``(N, latent_dim) -> (N, *shape)``: images through tanh, points in the plane without a bound."""
        widths = [self.latent_dim, *self.generator_hidden]
        layers = _hidden_layers(widths, self.batch_norm_g)
        layers += [nn.Linear(widths[-1], math.prod(shape)), nn.Unflatten(1, shape)]
        if len(shape) == 3:
            layers.append(nn.Tanh())
        return nn.Sequential(*layers)

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """``(N, *shape) -> (N,)`` logits."""
        widths = [math.prod(shape), *self.discriminator_hidden]
        layers = [nn.Flatten(), *_hidden_layers(widths, self.batch_norm_d), nn.Linear(widths[-1], 1)]
        return nn.Sequential(*layers, nn.Flatten(0))


def _hidden_layers(widths: Sequence[int], batch_norm: bool) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for index, (before, after) in enumerate(pairwise(widths)):
        layers.append(nn.Linear(before, after))
        if batch_norm and index > 0:
            layers.append(nn.BatchNorm1d(after))
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return layers
