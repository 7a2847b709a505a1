"""Real samples to look at, beside those that are trained on: a few that D knows and a few that it has never seen.

Which ones is a function of the step alone, so that looking at them has no state and changes nothing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gan_cli.data.samplers import normalise
from gan_cli.data.splits import held_out_rows
from gan_cli.protocols.arrays import IntArray
from gan_cli.protocols.data import Batch, Density, Images, Specimens
from gan_cli.runtime.rng import seeded_generator

# Images of either kind that lie ready on the device, at most.
MOST = 1024


@dataclass(frozen=True)
class Split:
    """Data without a share of them, and that share.

    Attributes:
        train: what to train on.
        held: rows of the same images that are held out, or where other points come from.
    """

    train: Images | Density
    held: IntArray | Density

    def specimens(self, seed: int, device: torch.device) -> Specimens:
        """What to look at of either side; of points, which ones depends on the run's seed."""
        if isinstance(self.train, Images):
            assert isinstance(self.held, np.ndarray)
            return ImageSpecimens(self.train, self.held, device)
        assert not isinstance(self.held, np.ndarray)
        return PointSpecimens(self.train, self.held, seed, device)


def split(source: Images | Density, share: float) -> Split:
    """Hold out a share of the data; where no sample comes twice, nothing has to be."""
    if isinstance(source, Images):
        rows, held = held_out_rows(len(source.pixels), share)
        return Split(replace(source, rows=rows if len(held) else None), held)
    return Split(*(source.split(share) if share else (source, source)))


class ImageSpecimens:
    """Images on the device as uint8; where none are held out, other training images stand in for them."""

    def __init__(self, train: Images, held: IntArray, device: torch.device) -> None:
        rows = np.arange(len(train.pixels)) if train.rows is None else train.rows
        # Rows may be ordered by class: an even choice has all of them.
        chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST if len(held) else 2 * MOST)).astype(np.int64)]
        if not len(held):
            chosen, held = chosen[::2], chosen[1::2]
        self._trained = _Shelf(train, chosen, device)
        self.most = min(len(chosen), len(held), MOST)
        self._held = _Shelf(train, held[np.linspace(0, len(held) - 1, min(len(held), MOST)).astype(np.int64)], device)

    def trained(self, count: int, step: int) -> Batch:
        """``count`` images in [-1, 1] that D trains on."""
        return self._trained.take(count, step)

    def held_out(self, count: int, step: int) -> Batch:
        """``count`` images in [-1, 1] that D never trains on."""
        return self._held.take(count, step)


class _Shelf:
    """A few images in a mixed order, on the device."""

    def __init__(self, source: Images, rows: IntArray, device: torch.device) -> None:
        rows = np.random.default_rng(0).permutation(rows)
        self._pixels = torch.from_numpy(source.pixels[rows]).to(device)
        self._labels = None if source.labels is None else torch.from_numpy(source.labels[rows]).to(device)

    def take(self, count: int, step: int) -> Batch:
        """The next ones around the shelf; again and again the same where there are fewer than ``count``."""
        places = (torch.arange(count, device=self._pixels.device) + step * count) % len(self._pixels)
        return Batch(normalise(self._pixels[places]), None if self._labels is None else self._labels[places])


class PointSpecimens:
    """Points drawn at each step afresh."""

    most = sys.maxsize

    def __init__(self, train: Density, held: Density, seed: int, device: torch.device) -> None:
        self._train, self._held = train.on(device), held.on(device)
        self._seed = seed
        self._device = device

    def trained(self, count: int, step: int) -> Batch:
        """``count`` points as D trains on."""
        return Batch(self._drawn(self._train, "trained", count, step))

    def held_out(self, count: int, step: int) -> Batch:
        """``count`` points that D never trains on."""
        return Batch(self._drawn(self._held, "held out", count, step))

    def _drawn(self, source: Density, name: str, count: int, step: int) -> Tensor:
        return source.draw(count, seeded_generator(self._seed, f"{name} {step}", self._device))
