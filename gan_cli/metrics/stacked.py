"""The thousand modes of stacked digits: how many are captured, and how evenly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_cli.errors import InvalidValueError, require
from gan_cli.metrics.classes import count, divergence
from gan_cli.protocols.arrays import DoubleArray, IntArray

DIGITS = 10
PLACES = np.array([100, 10, 1])  # of the digits in red, green and blue, as the dataset labels them
MODES = DIGITS**3


@dataclass(frozen=True)
class StackedModes:
    """What samples make of the thousand modes.

    Attributes:
        captured: modes with at least one sample, of 1,000.
        kl: Kullback-Leibler divergence of the samples' shares of the modes from the data's, in nats; >= 0, log 1,000 =
            6.9 if all fall into one of 1,000 even modes. N samples of the data themselves give about 999 / 2N: 0.019
            for the protocol's 26,000.
    """

    captured: int
    kl: float


def stacked_modes(predicted: IntArray, data: DoubleArray | None = None) -> StackedModes:
    """Count modes as VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018, section 4.2) do.

    Args:
        predicted: ``(N, 3)``, the digit that a classifier of MNIST sees in each channel; N is 26,000 in both papers.
        data: ``(1000,)``, the data's shares of the modes ``100 a + 10 b + c``, each > 0; None: all the same.

    Raises:
        InvalidValueError: no samples, something that is not a digit, or shares that are none.
    """
    require(predicted.ndim == 2 and predicted.shape[1] == 3, "predicted", predicted.shape, "digits of shape (N, 3)")
    count(predicted.ravel(), DIGITS, "predicted")  # refuses what is not a digit
    counts = count(predicted @ PLACES, MODES, "predicted")
    shares = np.full(MODES, 1 / MODES) if data is None else data
    require(shares.shape == (MODES,), "data", shares.shape, f"shares of shape ({MODES},)")
    if not (np.all(shares > 0) and np.isclose(shares.sum(), 1)):
        raise InvalidValueError("data", float(shares.min()), "shares above 0 that add up to 1")
    return StackedModes(int(np.count_nonzero(counts)), divergence(counts / counts.sum(), shares))
