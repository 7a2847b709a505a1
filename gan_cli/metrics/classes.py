"""Classes of generated samples, as a classifier sees them, against those of the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_cli.errors import require
from gan_cli.protocols.arrays import DoubleArray, IntArray

# What a class counts for that is generated but absent from the data: what Jeffreys' prior adds to a count.
ABSENT = 0.5


@dataclass(frozen=True)
class ClassShares:
    """How generated samples fall into K classes.

    Attributes:
        shares: ``(K,)``, share of the generated samples in each class; they add up to 1.
        kl: Kullback-Leibler divergence of the generated shares from the data's in nats; >= 0, 0 for equal shares, and
            finite. N samples of the data's own distribution give about ``(K - 1) / 2N``, not 0.
        entropy: of the generated shares in nats; from 0, all in one class, to log K, the same in each.
    """

    shares: DoubleArray
    kl: float
    entropy: float


def class_shares(predicted: IntArray, real: IntArray, classes: int) -> ClassShares:
    """Compare classes of generated samples with those of the data.

    A class missing from the generated samples adds nothing of its own to the divergence (``0 log 0 = 0``); its mass
    shows as the excess of the others. A class generated but absent from the data, which would make the divergence
    infinite, counts as half a sample of the data.

    Args:
        predicted: ``(N,)``, classes of generated samples, 0 to ``classes - 1``.
        real: ``(M,)``, classes of real samples, by the same classifier or by their labels.
        classes: K.

    Raises:
        InvalidValueError: no samples, or a class out of range.
    """
    require(classes >= 1, "classes", classes, "an integer >= 1")
    generated, data = count(predicted, classes, "predicted"), count(real, classes, "real")
    data = np.where((data == 0) & (generated > 0), ABSENT, data)
    shares = generated / generated.sum()
    return ClassShares(shares, divergence(shares, data / data.sum()), entropy(shares))


def count(labels: IntArray, classes: int, key: str) -> DoubleArray:
    """How often each class occurs in ``(N,)`` labels, ``(classes,)``; ``key`` names the labels in messages."""
    require(labels.ndim == 1 and len(labels) > 0, key, labels.shape, "classes of shape (N,), N >= 1")
    require(np.issubdtype(labels.dtype, np.integer), key, str(labels.dtype), "integers")
    outside = labels[(labels < 0) | (labels >= classes)]
    require(len(outside) == 0, key, outside[:1].tolist(), f"classes from 0 to {classes - 1:,}")
    return np.bincount(labels, minlength=classes).astype(np.float64)


def divergence(p: DoubleArray, q: DoubleArray) -> float:
    """``KL(p || q) = sum p log(p / q)`` in nats of shares ``(K,)``; q > 0 wherever p is."""
    present = p > 0
    return max(0.0, float((p[present] * np.log(p[present] / q[present])).sum()))


def entropy(p: DoubleArray) -> float:
    """``- sum p log p`` in nats of shares ``(K,)``."""
    present = p[p > 0]
    return abs(float((present * np.log(present)).sum()))
