"""Information, entropy and cross-entropy (Shannon 1948), in nats unless another base is given."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gan_cli.protocols.arrays import DoubleArray
from gan_cli.theory.distributions import distribution, pair


def information(probability: npt.ArrayLike, base: float = math.e) -> DoubleArray:
    """Compute ``-log p`` of events with probabilities of any shape; infinite where p is 0."""
    with np.errstate(divide="ignore"):
        result: DoubleArray = -np.log(np.asarray(probability, np.float64)) / math.log(base)
    return result + 0.0  # no negative zero for a certain event


def entropy(p: npt.ArrayLike, base: float = math.e) -> float:
    """Compute ``H(p) = -sum p log p``, the mean information of an outcome; in [0, log N].

    Raises:
        InvalidValueError: p is no distribution.
    """
    return _mean_information(distribution("p", p), distribution("p", p), base)


def cross_entropy(p: npt.ArrayLike, q: npt.ArrayLike, base: float = math.e) -> float:
    """Compute ``H(p, q) = -sum p log q``: the mean code length of outcomes of p with a code made for q; >= H(p).

    Returns:
        Infinite where q is 0 and p is not.

    Raises:
        InvalidValueError: p or q is no distribution, or they differ in length.
    """
    return _mean_information(*pair(p, q), base)


def _mean_information(weights: DoubleArray, probabilities: DoubleArray, base: float) -> float:
    occurs = weights > 0
    return float(weights[occurs] @ information(probabilities[occurs], base))
