"""Modes of a mixture of Gaussians: how many are captured, how well, how evenly, and how wide."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gan_cli.protocols.arrays import FloatArray, IntArray

# A sample is of high quality within so many standard deviations of a centre (Lin et al. 2018, section 4.1).
REACH = 3.0
# A Gaussian in the plane that is cut off there is narrower than a whole one by this factor:
# E[r^2 | r < 3 sigma] / (2 sigma^2) = 1 - (9/2) e^(-9/2) / (1 - e^(-9/2)).
CUT_OFF = math.sqrt(1 - REACH**2 / 2 * math.exp(-(REACH**2) / 2) / (1 - math.exp(-(REACH**2) / 2)))


@dataclass(frozen=True)
class Modes:
    """What samples make of a mixture of M equally likely modes.

    Attributes:
        captured: modes with at least one sample of high quality.
        high_quality: share of samples within three deviations of the nearest mode; 0.989 for the mixture itself.
        shares: ``(M,)``, share of all samples whose nearest mode it is, times M: 1 everywhere is even.
        spreads: ``(M,)``, deviation of a coordinate of each mode's samples of high quality around its centre, in true
            deviations, corrected for the cut at three of them; NaN for a mode without any.
    """

    captured: int
    high_quality: float
    shares: FloatArray
    spreads: FloatArray

    @property
    def spread(self) -> float:
        """Root of the mean squared spread over captured modes; 1 for the mixture itself, less for contracted modes."""
        return float(np.sqrt(np.nanmean(np.square(self.spreads))))


def modes(samples: FloatArray, centres: FloatArray, std: float) -> Modes:
    """Compare samples ``(N, 2)`` with modes at ``centres`` ``(M, 2)``, all in the data's own coordinates."""
    nearest, distance = _nearest(samples, centres)
    good = distance <= REACH * std
    count = len(centres)
    squares = np.bincount(nearest[good], np.square(distance[good]), minlength=count)
    numbers = np.bincount(nearest[good], minlength=count)
    with np.errstate(invalid="ignore"):
        spreads = np.sqrt(squares / numbers / 2) / (std * CUT_OFF)
    shares = np.bincount(nearest, minlength=count) * (count / len(samples))
    return Modes(int((numbers > 0).sum()), float(good.mean()), shares.astype(np.float32), spreads.astype(np.float32))


def _nearest(samples: FloatArray, centres: FloatArray) -> tuple[IntArray, FloatArray]:
    """The nearest centre of each sample and the distance to it, ``(N,)`` each."""
    from sklearn.metrics import pairwise_distances_argmin_min  # slow to import

    index, distance = pairwise_distances_argmin_min(samples, centres)
    return index.astype(np.int64), distance.astype(np.float32)
