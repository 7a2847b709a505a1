"""Runs in which p and q are known: data of a few Gaussians, and a G that stays one wide Gaussian."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gan_cli.protocols.arrays import DoubleArray
from gan_cli.theory import gaussian_density
from gan_cli.tour.finished import FinishedRun

# Points of a side of the mesh, and half its width: all but nothing of both distributions lies within.
SIDE, REACH = 240, 6.0


@dataclass(frozen=True)
class Mesh:
    """p, q and the trained D of a run on a mesh over the plane.

    Attributes:
        run: whose dataset is a mixture of Gaussians and whose G is one Gaussian.
    """

    run: FinishedRun

    @cached_property
    def ticks(self) -> DoubleArray:
        """Coordinates of the mesh along a side ``(SIDE,)``."""
        ticks: DoubleArray = (np.arange(SIDE) + 0.5) / SIDE * 2 * REACH - REACH
        return ticks

    @cached_property
    def points(self) -> DoubleArray:
        """Points ``(SIDE^2, 2)``, row by row."""
        points: DoubleArray = np.stack(np.meshgrid(self.ticks, self.ticks), axis=-1).reshape(-1, 2)
        return points

    @cached_property
    def p(self) -> DoubleArray:
        """Probabilities of the data at the points ``(SIDE^2,)``."""
        from gan_cli.inference.loading import run_dataset

        mixture: Any = run_dataset(self.run.directory)
        return _normalized(sum(gaussian_density(self.points, each, mixture.std) for each in mixture.centres().numpy()))

    @cached_property
    def q(self) -> DoubleArray:
        """Probabilities of G at the points ``(SIDE^2,)``."""
        architecture = self.run.config.architecture
        return _normalized(gaussian_density(self.points, np.array(architecture.mean), np.array(architecture.std)))

    @cached_property
    def discriminator(self) -> DoubleArray:
        """Trained D at the points ``(SIDE^2,)``, in [0, 1]."""
        return self.run.discriminator.scores(self.points.astype(np.float32))


def _normalized(density: Any) -> DoubleArray:
    probabilities: DoubleArray = density / density.sum()
    return probabilities
