"""Mixtures of Gaussians in the plane, fresh points for every batch or a fixed set: the field's test for mode collapse.

The protocols are those of VEEGAN and PacGAN (Lin et al. 2018, section 4.1).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias

import torch
from torch import Tensor

from gan_cli.components.ranges import Positive, Range, check_ranges
from gan_cli.data.splits import split_rows
from gan_cli.datasets.base import PlaneDataset
from gan_cli.protocols.arrays import FloatArray

# Deviations from the outermost centres that still lie within [-1, 1] after scaling.
MARGIN = 5.0


@dataclass(frozen=True)
class GaussianMixture:
    """Mixture of equally likely isotropic Gaussians of one width.

    Attributes:
        centres: ``(M, 2)``, scaled.
        std: deviation of each coordinate, scaled.
    """

    centres: Tensor
    std: Positive

    def on(self, device: torch.device) -> GaussianMixture:
        """Return the same mixture with its centres on the device."""
        return replace(self, centres=self.centres.to(device))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw points ``(count, 2)`` on the generator's device."""
        return self.transform(*self.numbers(count, generator))

    def numbers(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw modes ``(count,)`` and noise ``(count, 2)``."""
        device = generator.device
        mode = torch.randint(len(self.centres), (count,), generator=generator, device=device)
        return mode, torch.randn(count, 2, generator=generator, device=device)

    def transform(self, *numbers: Tensor) -> Tensor:
        """Compute points ``(N, 2)`` from modes and noise."""
        mode, noise = numbers
        return torch.add(self.centres[mode], noise, alpha=self.std)

    def split(self, share: float) -> tuple[GaussianMixture, GaussianMixture]:
        """Return the mixture twice: every sample is a fresh one."""
        return self, self


@dataclass(frozen=True)
class FixedPoints:
    """A fixed set of points that were drawn once.

    Attributes:
        points: ``(M, 2)``, scaled.
    """

    points: Tensor

    def on(self, device: torch.device) -> FixedPoints:
        """Return the same points on the device."""
        return FixedPoints(self.points.to(device))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``(count, 2)`` with replacement, on the generator's device."""
        rows = torch.randint(len(self.points), (count,), generator=generator, device=generator.device)
        return self.points[rows]

    def split(self, share: float) -> tuple[FixedPoints, FixedPoints]:
        """Return points to train on and held-out points; where too few would be held out, both are all points."""
        train, heldout = split_rows(len(self.points), share)
        if not len(heldout):
            return self, self
        return FixedPoints(self.points[train]), FixedPoints(self.points[heldout])


Points: TypeAlias = Annotated[int, Range(1, 10_000_000)]


@dataclass(frozen=True)
class _Mixture(PlaneDataset, ABC):
    """Base of ring and grid: points are scaled so that the whole mixture lies within [-1, 1], or by ``unit``.

    Args:
        std: standard deviation of each coordinate.
        unit: length in the data's own coordinates of one unit of those that the networks see; 1: they see the data's
            own, as in most published protocols. None: such that the whole mixture lies within [-1, 1].
        count: draw this many points once and learn from those, as PacGAN does; None: fresh points for every batch.
    """

    std: Positive
    unit: Positive | None = None
    count: Points | None = None

    def __post_init__(self) -> None:
        check_ranges(self)

    @abstractmethod
    def centres(self) -> Tensor:
        """Return the means of the modes ``(M, 2)``, in the data's own coordinates."""

    @property
    def scale(self) -> float:
        """Length in the data's own coordinates of one unit of the scaled ones."""
        return float(self.centres().abs().max()) + MARGIN * self.std if self.unit is None else self.unit

    @property
    def num_bytes(self) -> int:
        """Memory of the points, where they are drawn once."""
        return 4 * 2 * (self.count or 0)

    def load(self) -> GaussianMixture | FixedPoints:
        """Return the mixture in scaled coordinates, or the fixed points drawn from it: the same in every run."""
        mixture = GaussianMixture(self.centres() / self.scale, self.std / self.scale)
        if self.count is None:
            return mixture
        return FixedPoints(mixture.draw(self.count, torch.Generator().manual_seed(0)))

    def coordinates(self, samples: FloatArray) -> FloatArray:
        """Convert scaled points ``(N, 2)`` to the data's own coordinates."""
        return samples * self.scale


@dataclass(frozen=True)
class Ring(_Mixture):
    """Ring of ``modes`` Gaussians at equal angles on a circle; the first lies on the positive x-axis.

    Attributes:
        modes: number of Gaussians.
        radius: of the circle, in the data's own coordinates.
    """

    modes: Annotated[int, Range(1, 10_000)] = 8
    radius: Positive = 1.0
    std: Positive = 0.01
    unit: Positive | None = None
    count: Points | None = None

    def centres(self) -> Tensor:
        """Return ``(modes, 2)``; the angle 2 pi is left out, as it is the angle 0."""
        angles = torch.arange(self.modes, dtype=torch.float64) * (2 * math.pi / self.modes)
        return (self.radius * torch.stack([angles.cos(), angles.sin()], dim=1)).float()


@dataclass(frozen=True)
class Grid(_Mixture):
    """Grid of ``side`` x ``side`` Gaussians, ``spacing`` apart, around the origin.

    Attributes:
        side: Gaussians in a row, and number of rows.
        spacing: distance between neighbours, in the data's own coordinates.
    """

    side: Annotated[int, Range(1, 100)] = 5
    spacing: Positive = 2.0
    std: Positive = 0.05
    unit: Positive | None = None
    count: Points | None = None

    def centres(self) -> Tensor:
        ticks = (torch.arange(self.side, dtype=torch.float32) - (self.side - 1) / 2) * self.spacing
        return torch.cartesian_prod(ticks, ticks).reshape(-1, 2)
