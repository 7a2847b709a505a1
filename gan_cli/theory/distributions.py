"""Checks of discrete distributions, which the other modules take as arrays of probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gan_cli.errors import require
from gan_cli.protocols.arrays import DoubleArray

# Of a sum of probabilities from 1: densities on a mesh, times the area of a cell, have lost their tails.
TOLERANCE = 1e-6


def distribution(name: str, probabilities: npt.ArrayLike) -> DoubleArray:
    """Return probabilities ``(N,)`` as float64.

    Args:
        name: of the distribution, for messages.
        probabilities: any shape, flattened; each >= 0, their sum 1.

    Raises:
        InvalidValueError: a negative or non-finite number, or another sum.
    """
    array: DoubleArray = np.asarray(probabilities, np.float64).reshape(-1)
    valid = bool(np.isfinite(array).all() and (array >= 0).all())
    require(valid, name, float(array.min(initial=0.0)), "finite numbers >= 0")
    total = float(array.sum())
    require(abs(total - 1) <= TOLERANCE, name, total, "probabilities that sum to 1")
    return array


def pair(p: npt.ArrayLike, q: npt.ArrayLike) -> tuple[DoubleArray, DoubleArray]:
    """Return two distributions over the same outcomes, ``(N,)`` each; raises ``InvalidValueError``."""
    first, second = distribution("p", p), distribution("q", q)
    require(first.shape == second.shape, "q", len(second), f"{len(first)} probabilities, as many as p has")
    return first, second
