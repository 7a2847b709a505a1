"""The networks of PacGAN's experiments in the plane (Lin et al. 2018, section 4.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from torch import Tensor, nn

from gan_cli.architectures.layers import (
    ConditionalGenerator,
    Norm,
    ProjectionDiscriminator,
    embedding,
    norm_1d,
    require_norms,
)
from gan_cli.architectures.spectral_norm import apply_spectral_norm
from gan_cli.components.ranges import Range, Width, Widths, check_ranges
from gan_cli.protocols.conditions import Condition


class Maxout(nn.Module):
    """Elementwise maximum of ``pieces`` linear maps, ``(N, before) -> (N, after)`` (Goodfellow et al. 2013, eq. 1)."""

    def __init__(self, before: int, after: int, pieces: int) -> None:
        super().__init__()
        self.linear = nn.Linear(before, after * pieces)
        self.split = nn.Unflatten(1, (after, pieces))

    def forward(self, features: Tensor) -> Tensor:
        outputs: Tensor = self.split(self.linear(features)).amax(2)
        return outputs


@dataclass(frozen=True)
class MaxoutMLP:
    """G of fully connected layers with batch norm and ReLU, D of maxout layers; weights from N(0, 0.02).

    Attributes:
        latent_dim: dimensions of z.
        generator_hidden: widths of G's hidden layers.
        discriminator_hidden: widths of D's hidden layers.
        norm_g: normalisation of G's hidden layers.
        pieces: number of linear maps of each maxout layer in D.
        spectral_norm: divide D's weights by their largest singular value (Miyato et al. 2018).
        class_embedding: dimensions of the embedding of labels that is concatenated with z, where there are labels.
    """

    latent_dim: Width = 2
    generator_hidden: Widths = (400, 400, 400, 400)
    discriminator_hidden: Widths = (200, 200, 200)
    norm_g: Norm = Norm.batch
    pieces: Annotated[int, Range(1, 1024)] = 5
    spectral_norm: bool = False
    class_embedding: Width = 16

    def __post_init__(self) -> None:
        check_ranges(self)
        require_norms({"norm_g": self.norm_g})

    def generator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, latent_dim) -> (N, *shape)``: images with tanh, points in the plane unbounded."""
        widths = [self.latent_dim + (self.class_embedding if classes else 0), *self.generator_hidden]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            # No bias before a normalisation, which subtracts every constant.
            layers.append(nn.Linear(before, after, bias=self.norm_g is Norm.none))
            layers += [*norm_1d(self.norm_g, after), nn.ReLU(inplace=True)]
        layers += [nn.Linear(widths[-1], math.prod(shape)), nn.Unflatten(1, shape)]
        if len(shape) == 3:
            layers.append(nn.Tanh())
        body = nn.Sequential(*layers).apply(_initialize)
        return ConditionalGenerator(body, embedding(classes, self.class_embedding))

    def discriminator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, *shape) -> (N,)`` of logits."""
        widths = [math.prod(shape), *self.discriminator_hidden]
        layers = [Maxout(before, after, self.pieces) for before, after in pairwise(widths)]
        features = nn.Sequential(nn.Flatten(), *layers)
        head, labels = nn.Linear(widths[-1], 1), embedding(classes, widths[-1])
        network = ProjectionDiscriminator(features, head, labels)
        nn.ModuleList([features, head]).apply(_initialize)
        return apply_spectral_norm(network) if self.spectral_norm else network


def _initialize(module: nn.Module) -> None:
    """Initialize weights from N(0, 0.02) and biases with 0, as in the authors' code."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
