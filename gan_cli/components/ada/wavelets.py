"""Low-pass filters of orthogonal wavelets (Daubechies 1992, tables 6.1 and 6.3), and a bank of four octaves of them."""

from __future__ import annotations

import numpy as np

from gan_cli.protocols.arrays import DoubleArray

# Least asymmetric, with six vanishing moments; and with two.
SYM6 = (
    *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466),
    *(0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578),
    *(0.0017677118642428036, -0.007800708325034148),
)
SYM2 = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)
BANDS = 4


def octave_bank() -> DoubleArray:
    """Return the filters of four octaves, ``(4, T)``, the lowest frequencies first, whose sum is the identity."""
    low = np.convolve(SYM2, SYM2[::-1]) / 2  # its square in frequency, without a phase
    identity = np.zeros_like(low)
    identity[len(low) // 2] = 1.0
    high = identity - low
    passed, bands = np.ones(1), []
    for octave in range(BANDS - 1):
        bands.append(np.convolve(passed, _spread(high, 2**octave)))
        passed = np.convolve(passed, _spread(low, 2**octave))
    bands.append(passed)
    width = len(bands[-1])
    return np.stack([np.pad(band, (width - len(band)) // 2) for band in reversed(bands)])


def _spread(taps: DoubleArray, step: int) -> DoubleArray:
    """Return a filter with ``step - 1`` zeros between its taps: the same one, octaves lower."""
    spread = np.zeros((len(taps) - 1) * step + 1)
    spread[::step] = taps
    return spread
