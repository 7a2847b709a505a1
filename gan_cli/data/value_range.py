"""Values of black and of white: those that data of a type usually have, or those that are there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

# Numbers with a fraction are taken for [0, 1] or [-1, 1] only if they use a quarter of it.
MIN_USED = 0.25
# Numbers from 0 on are taken for [0, 255] only if one of them is at least this.
MIN_BRIGHTEST = 64
# The greatest value of 16 bits.
MAX_PIXEL = 2**16 - 1
# Digits that the ends of an unusual range are rounded to, away from its middle.
DIGITS = 2


@dataclass(frozen=True)
class ValueEnds:
    """The least and the greatest of values that were looked at."""

    low: float
    high: float

    def within(self, low: float, high: float) -> bool:
        """Return True where all values lie between two others."""
        return low <= self.low and self.high <= high


def automatic_range(dtype: np.dtype[Any], ends: ValueEnds) -> tuple[float, float]:
    """Return the values that become -1 and 1 for networks.

    Truth values are [0, 1]; bytes [0, 255], or [0, 1] where none is more; other integers from 0 on reach to the
    smallest 2**k - 1 of up to 16 bits that none exceeds, such as 4095. Numbers with a fraction are [0, 1], [-1, 1] or
    [0, 255] where they fill these, and all others from their least to their greatest, rounded to two digits away from
    the middle.
    """
    low, high = ends.low, ends.high
    if dtype.kind == "b" or (dtype.kind in "iu" and ends.within(0, 1) and high == 1):
        return 0.0, 1.0
    if dtype == np.uint8:
        return 0.0, 255.0
    if dtype.kind in "iu" and low >= 0 and 0 < high <= MAX_PIXEL:
        return 0.0, float(2 ** math.ceil(math.log2(high + 1)) - 1)
    if dtype.kind == "f":
        for usual_low, usual_high, least in ((0.0, 1.0, MIN_USED), (-1.0, 1.0, MIN_USED), (0.0, 255.0, MIN_BRIGHTEST)):
            if ends.within(usual_low, usual_high) and max(-low, high) >= least:
                return usual_low, usual_high
    if low == high:
        margin = max(1.0, abs(low))
        return (0.0, 1.0) if low == 0 else (low - margin, high + margin)
    step = 10.0 ** (math.floor(math.log10(high - low)) - DIGITS + 1)
    rounded = _significant(math.floor(low / step) * step), _significant(math.ceil(high / step) * step)
    # Far from zero, and beside the largest numbers, nothing can be rounded.
    return rounded if math.isfinite(rounded[1] - rounded[0]) and rounded[0] <= low < high <= rounded[1] else (low, high)


def _significant(number: float) -> float:
    """Return a multiple of a power of ten without the error of its last digits."""
    return float(f"{number:.12g}")
