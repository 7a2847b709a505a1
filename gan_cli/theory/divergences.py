"""Divergences between two discrete distributions, or between densities on a mesh times the area of a cell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gan_cli.errors import require
from gan_cli.theory.distributions import pair
from gan_cli.theory.information import cross_entropy, entropy


def kl_divergence(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Compute ``KL(p || q) = sum p log(p / q)`` in nats (Kullback & Leibler 1951); >= 0, and not symmetric.

    Returns:
        Infinite where q is 0 and p is not.

    Raises:
        InvalidValueError: p or q is no distribution, or they differ in length.
    """
    return max(0.0, cross_entropy(p, q) - entropy(p))


def js_divergence(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Compute the Jensen-Shannon divergence, the mean KL divergence of p and q from their mixture (Lin 1991).

    Returns:
        In nats, in [0, log 2]: log 2 where p and q share no outcome, however far apart they lie.

    Raises:
        InvalidValueError: p or q is no distribution, or they differ in length.
    """
    first, second = pair(p, q)
    mixture = (first + second) / 2
    return (kl_divergence(first, mixture) + kl_divergence(second, mixture)) / 2


def total_variation(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Compute ``1/2 sum |p - q|``, the largest difference in the probability of any event; in [0, 1]."""
    first, second = pair(p, q)
    return float(np.abs(first - second).sum() / 2)


def wasserstein_1d(positions: npt.ArrayLike, p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Compute the earth mover's distance of distributions on a line: the area between their cumulative distributions.

    Args:
        positions: ``(N,)``, ascending, where the outcomes lie.
        p: ``(N,)``.
        q: ``(N,)``.

    Raises:
        InvalidValueError: positions that do not ascend or are of another number, or no distributions.
    """
    first, second = pair(p, q)
    places = np.asarray(positions, np.float64).reshape(-1)
    require(places.shape == first.shape, "positions", len(places), f"{len(first)} numbers, as many as p has")
    gaps = np.diff(places)
    require(bool((gaps > 0).all()), "positions", "these", "ascending numbers")
    return float(np.abs(np.cumsum(first - second)[:-1]) @ gaps)
