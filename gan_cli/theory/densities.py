"""Densities that the theory is tried on."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gan_cli.protocols.arrays import DoubleArray


def gaussian_density(points: npt.ArrayLike, mean: npt.ArrayLike, deviation: npt.ArrayLike) -> DoubleArray:
    """Return the density of a Gaussian with independent coordinates.

    Args:
        points: ``(N, D)``.
        mean: ``(D,)``.
        deviation: standard deviation of each coordinate, ``(D,)``, or one for all.

    Returns:
        ``(N,)``.
    """
    places = np.asarray(points, np.float64)
    widths = np.broadcast_to(np.asarray(deviation, np.float64), places.shape[1:])
    squares = np.square((places - np.asarray(mean, np.float64)) / widths).sum(1)
    densities: DoubleArray = np.exp(-squares / 2) / np.prod(math.sqrt(2 * math.pi) * widths)
    return densities
