"""The original GAN as a game between D and G, where p and q are known (Goodfellow et al. 2014, section 4)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gan_cli.protocols.arrays import DoubleArray
from gan_cli.theory.distributions import pair
from gan_cli.theory.divergences import js_divergence

# Keep logarithms finite where D is certain.
SMALLEST, LARGEST = 1e-300, 1 - 1e-16


def optimal_discriminator(p: npt.ArrayLike, q: npt.ArrayLike) -> DoubleArray:
    """Return the D that maximizes the game's value for a fixed G, ``p / (p + q)`` (proposition 1).

    Args:
        p: density of the data, of any shape, >= 0.
        q: density of G, of the same shape.

    Returns:
        Of that shape, in [0, 1]; 1/2 where both densities are 0.
    """
    data, generated = np.asarray(p, np.float64), np.asarray(q, np.float64)
    total = data + generated
    best: DoubleArray = np.divide(data, total, out=np.full_like(total, 0.5), where=total > 0)
    return best


def game_value(p: npt.ArrayLike, q: npt.ArrayLike, discriminator: npt.ArrayLike) -> float:
    """Compute ``V(D, G) = E_p log D + E_q log(1 - D)`` (eq. 1), which D maximizes and G minimizes; <= 0.

    Args:
        p: probabilities of the data ``(N,)``.
        q: probabilities of G ``(N,)``.
        discriminator: D at the same outcomes ``(N,)``, in [0, 1].

    Raises:
        InvalidValueError: p or q is no distribution, or they differ in length.
    """
    data, generated = pair(p, q)
    d = np.clip(np.asarray(discriminator, np.float64).reshape(-1), SMALLEST, LARGEST)
    return float(data @ np.log(d) + generated @ np.log1p(-d))


def optimal_value(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Compute the value at the best D, ``-2 log 2 + 2 JSD(p, q)`` (theorem 1); in [-2 log 2, 0]."""
    return -2 * math.log(2) + 2 * js_divergence(p, q)
