"""Generators whose distribution is known in closed form, for tests of theory: a Gaussian and a segment in the plane.

Both are affine in their noise, and their few parameters are learned like any others; ``optimizer.lr_g=0`` fixes them.
Their discriminators are the fully connected ones of ``mlp.py``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import torch
from torch import Tensor, nn

from gan_cli.architectures.layers import Activation, Norm
from gan_cli.architectures.mlp import MLP
from gan_cli.components.ranges import Positive, Range, Widths, check_ranges
from gan_cli.errors import ConfigError, require
from gan_cli.protocols.conditions import Condition

Coordinate: TypeAlias = Annotated[float, Range(-1_000_000, 1_000_000)]


@dataclass(frozen=True, kw_only=True)
class _ClosedFormArchitecture(ABC):
    """Base class of both: latent_dim equals the sample's dimension, and the discriminator is fully connected.

    Attributes:
        discriminator_hidden: widths of D's hidden layers.
        activation: of the hidden layers: leaky_relu (slope 0.2), relu or tanh.
        norm_d: normalisation of the hidden layers, all but the first.
    """

    discriminator_hidden: Widths = (128, 128)
    activation: Activation = Activation.leaky_relu
    norm_d: Norm = Norm.none

    def __post_init__(self) -> None:
        check_ranges(self)
        self._mlp()  # validates the rest

    @property
    @abstractmethod
    def latent_dim(self) -> int:
        """Dimensions of z and of a sample."""

    def discriminator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, *shape) -> (N,)`` of logits."""
        return self._mlp().discriminator(shape, classes)

    def _mlp(self) -> MLP:
        return MLP(discriminator_hidden=self.discriminator_hidden, activation=self.activation, norm_d=self.norm_d)

    def _check(self, shape: tuple[int, ...], classes: Condition) -> None:
        """Raise ``ConfigError`` unless samples have as many coordinates as z, and no labels."""
        if shape != (self.latent_dim,) or classes:
            raise ConfigError(
                f"architecture: expected samples of shape ({self.latent_dim},) without labels for"
                f" {type(self).__name__}, got {shape} {'with' if classes else 'without'} labels;"
                " architecture=mlp fits any"
            )


@dataclass(frozen=True, kw_only=True)
class Gaussian(_ClosedFormArchitecture):
    """``G(z) = mean + std z``: a Gaussian with independent coordinates.

    Attributes:
        mean: of each coordinate, on the scale of [-1, 1].
        std: standard deviation of each coordinate.
    """

    mean: tuple[Coordinate, ...] = (0.0, 0.0)
    std: tuple[Positive, ...] = (0.3, 0.3)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(self.mean) >= 1, "mean", list(self.mean), "a list of numbers, one a coordinate")
        fits = len(self.std) == len(self.mean)
        require(fits, "std", list(self.std), f"a list of {len(self.mean)} numbers > 0, one a coordinate")

    @property
    def latent_dim(self) -> int:
        return len(self.mean)

    def generator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, D) -> (N, D)``; raises ``ConfigError`` for samples of another shape or with labels."""
        self._check(shape, classes)
        return _Affine(self.mean, self.std)


@dataclass(frozen=True, kw_only=True)
class Segment(_ClosedFormArchitecture):
    """Points uniform on the segment from ``start`` to ``end``.

    With the default segment, moved by theta along the x-axis, this is example 1 of Arjovsky et al. 2017, "learning
    parallel lines": ``G(z) = (theta, Z)``, Z uniform in [0, 1].

    Attributes:
        start: one end, ``(2,)``, on the scale of [-1, 1].
        end: the other.
    """

    start: tuple[Coordinate, Coordinate] = (0.0, 0.0)
    end: tuple[Coordinate, Coordinate] = (0.0, 1.0)

    @property
    def latent_dim(self) -> int:
        return 2  # of which only the first determines the point

    def generator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, 2) -> (N, 2)``; raises ``ConfigError`` for samples of another shape or with labels."""
        self._check(shape, classes)
        difference = [last - first for first, last in zip(self.start, self.end, strict=True)]
        return nn.Sequential(_Uniform(), _Affine(self.start, difference))


class _Affine(nn.Module):
    """The elementwise affine map ``start + way * inputs``: ``(N, D) -> (N, D)``."""

    def __init__(self, start: tuple[float, ...] | list[float], way: tuple[float, ...] | list[float]) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.tensor(start, dtype=torch.float32))
        self.way = nn.Parameter(torch.tensor(way, dtype=torch.float32))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.addcmul(self.start, self.way, inputs)


class _Uniform(nn.Module):
    """The normal CDF of the first coordinate, uniform in [0, 1], in all coordinates: ``(N, D) -> (N, D)``."""

    def forward(self, z: Tensor) -> Tensor:
        uniform = 0.5 * torch.erfc(z[:, :1] * -math.sqrt(0.5))
        return uniform.expand_as(z)
