"""Curves in the plane, drawn afresh for every batch: a spiral, two interleaved arcs, and a line beside a line."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from gan_cli.components.ranges import NonNegative, Range, check_ranges
from gan_cli.datasets.base import PlaneDataset
from gan_cli.datasets.gaussian_mixtures import MARGIN
from gan_cli.protocols.arrays import FloatArray


@dataclass(frozen=True)
class NoisyCurve:
    """Points of a curve with isotropic Gaussian noise, centred and scaled.

    Attributes:
        curve: the curve, in its own coordinates.
        centre: ``(2,)``, the point that is the origin of the scaled coordinates.
    """

    curve: _Curve
    centre: Tensor

    def on(self, device: torch.device) -> NoisyCurve:
        """Return the same curve with its centre on the device."""
        return NoisyCurve(self.curve, self.centre.to(device))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw points ``(count, 2)`` on the generator's device."""
        return self.transform(*self.numbers(count, generator))

    def numbers(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw places along the curve, ``(count,)`` in [0, 1), and noise ``(count, 2)``."""
        device = generator.device
        place = torch.rand(count, generator=generator, device=device)
        return place, torch.randn(count, 2, generator=generator, device=device)

    def transform(self, *numbers: Tensor) -> Tensor:
        """Compute points ``(N, 2)`` from places and noise."""
        place, noise = numbers
        return (self.curve.points(place) + self.curve.std * noise - self.centre) / self.curve.scale

    def split(self, share: float) -> tuple[NoisyCurve, NoisyCurve]:
        """Return the curve twice: every sample is a fresh one."""
        return self, self


@dataclass(frozen=True)
class _Curve(PlaneDataset, ABC):
    """Base of the curves: noise, and a scale at which curve and noise lie within [-1, 1]."""

    # The point that is the origin of the scaled coordinates.
    centre: ClassVar[tuple[float, float]] = (0.0, 0.0)

    std: NonNegative

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    @abstractmethod
    def extent(self) -> float:
        """Largest distance of the curve from its centre along an axis, in its own coordinates."""

    @abstractmethod
    def points(self, position: Tensor) -> Tensor:
        """Map ``(N,)`` uniform in [0, 1) to points of the curve ``(N, 2)``, in its own coordinates."""

    @property
    def scale(self) -> float:
        """Length in the curve's own coordinates of one unit of the scaled ones."""
        return self.extent + MARGIN * self.std

    def load(self) -> NoisyCurve:
        """Return the curve in scaled coordinates."""
        return NoisyCurve(self, torch.tensor(self.centre))

    def coordinates(self, samples: FloatArray) -> FloatArray:
        """Convert scaled points ``(N, 2)`` to the curve's own coordinates."""
        points: FloatArray = samples * np.float32(self.scale) + np.array(self.centre, np.float32)
        return points


@dataclass(frozen=True)
class SwissRoll(_Curve):
    """The spiral ``(t cos t, t sin t)``, t uniform in [1.5 pi, 4.5 pi].

    That is scikit-learn's ``make_swiss_roll`` seen from its side; with ``std`` 0.25 it is the swiss roll of "Improved
    Training of Wasserstein GANs" (Gulrajani et al. 2017, figure 1b), which divides it by 7.5.

    Args:
        std: deviation of the noise on each coordinate, beside a radius of 4.7 to 14.1.
    """

    std: NonNegative = 0.25

    @property
    def extent(self) -> float:
        """The extent is 4.5 pi: the spiral ends there, straight above the origin."""
        return 4.5 * math.pi

    def points(self, position: Tensor) -> Tensor:
        """Map ``(N,)`` in [0, 1) to ``(N, 2)``, from the inner end to the outer one."""
        angle = 1.5 * math.pi * (1 + 2 * position)
        return angle[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)


@dataclass(frozen=True)
class TwoMoons(_Curve):
    """Half a unit circle open below, and another open above that begins inside it: scikit-learn's ``make_moons``.

    The upper arc is ``(cos a, sin a)``, the lower one ``(1 - cos a, 1/2 - sin a)``, a uniform in [0, pi]; both are
    equally likely.

    Args:
        std: deviation of the noise on each coordinate, beside arcs of radius 1.
    """

    centre: ClassVar[tuple[float, float]] = (0.5, 0.25)

    std: NonNegative = 0.05

    @property
    def extent(self) -> float:
        """The extent is 1.5: the arcs reach from -1 to 2."""
        return 1.5

    def points(self, position: Tensor) -> Tensor:
        """Map ``(N,)`` in [0, 1) to ``(N, 2)``; below 1/2 to the upper arc, from there on to the lower one."""
        lower = position >= 0.5
        angle = (2 * position - lower.float()) * math.pi
        x, y = angle.cos(), angle.sin()
        return torch.stack([torch.where(lower, 1 - x, x), torch.where(lower, 0.5 - y, y)], dim=1)


@dataclass(frozen=True)
class ParallelLines(_Curve):
    """Real points ``(theta, Z)``, Z uniform in [0, 1]: "learning parallel lines", example 1 of Arjovsky et al. 2017.

    There the data are ``(0, Z)`` and the model is ``(theta, Z)``, whose only parameter is theta. Here a network is the
    model; it begins around x = 0, so the line that it has to find is the one at ``theta``. Were the generated points
    exactly ``(0, Z)``, then the Wasserstein distance would be ``|theta|``, which has a gradient everywhere, and the
    Jensen-Shannon divergence log 2 for every theta but 0, which has none.

    Up to ``|theta|`` = 1 and without noise nothing is scaled, and distances are those of the paper.

    Args:
        std: deviation of the noise on each coordinate; 0 for a line without width, as in the paper.
        theta: where the real line stands on the x-axis, -100 to 100.
    """

    std: NonNegative = 0.0
    theta: Annotated[float, Range(-100, 100)] = 0.5

    @property
    def extent(self) -> float:
        return max(1.0, abs(self.theta))

    def points(self, position: Tensor) -> Tensor:
        """Map ``(N,)`` in [0, 1) to ``(N, 2)``: the position is Z itself."""
        return torch.stack([torch.full_like(position, self.theta), position], dim=1)
