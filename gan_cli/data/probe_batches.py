"""Real samples for diagnostics: some that D trains on, and some that are held out from it.

The choice is a function of the step alone, so that probing has no state and does not affect training.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gan_cli.data.normalization import Normalization, stored_tensor
from gan_cli.data.splits import split_rows
from gan_cli.protocols.arrays import IntArray
from gan_cli.protocols.data import Batch, Density, ProbeBatches, StoredSamples
from gan_cli.runtime.rng import seeded_generator

# Samples of either part that are held on the device, at most.
MAX_PROBE_SAMPLES = 1024
# Bytes of either part, at most: of as many images of 128x128 pixels in three channels of a byte.
MAX_PROBE_BYTES = 3 * 2**24


@dataclass(frozen=True)
class DataSplit:
    """A training part of the data, and a held-out part.

    Attributes:
        train: the data to train on.
        heldout: rows of the same samples that are held out, or the density that held-out points come from.
    """

    train: StoredSamples | Density
    heldout: IntArray | Density

    def probe_batches(self, seed: int, device: torch.device) -> ProbeBatches:
        """Return batches of both parts for diagnostics; of points, they depend on the run's seed."""
        if isinstance(self.train, StoredSamples):
            assert isinstance(self.heldout, np.ndarray)
            return StoredProbeBatches(self.train, self.heldout, device)
        assert not isinstance(self.heldout, np.ndarray)
        return PointProbeBatches(self.train, self.heldout, seed, device)


def split_data(source: StoredSamples | Density, share: float) -> DataSplit:
    """Hold out a share of the data; a density that never yields a sample twice serves as both parts."""
    if isinstance(source, StoredSamples):
        rows, heldout = split_rows(len(source.array), share)
        return DataSplit(replace(source, rows=rows if len(heldout) else None), heldout)
    return DataSplit(*(source.split(share) if share else (source, source)))


class StoredProbeBatches:
    """Batches of samples kept on the device; where none are held out, other training samples replace them."""

    def __init__(self, train: StoredSamples, heldout: IntArray, device: torch.device) -> None:
        rows = np.arange(len(train.array)) if train.rows is None else train.rows
        limit = min(MAX_PROBE_SAMPLES, max(1, MAX_PROBE_BYTES * len(train.array) // max(1, train.array.nbytes)))
        rows = _evenly_spaced(rows, limit if len(heldout) else 2 * limit)
        if not len(heldout):
            rows, heldout = rows[::2], rows[1::2]
        self._train = SamplePool(train, rows, device)
        self.available = min(len(rows), len(heldout), limit)
        self._heldout = SamplePool(train, _evenly_spaced(heldout, limit), device)

    def train(self, count: int, step: int) -> Batch:
        """Return ``count`` samples in [-1, 1] that D trains on."""
        return self._train.take(count, step)

    def heldout(self, count: int, step: int) -> Batch:
        """Return ``count`` samples in [-1, 1] that D never trains on."""
        return self._heldout.take(count, step)


def _evenly_spaced(rows: IntArray, limit: int) -> IntArray:
    """Return at most ``limit`` of the rows, evenly spaced: rows may be ordered by class, and this keeps every class."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), limit)).astype(np.int64)]


class SamplePool:
    """A pool of samples on the device, in shuffled order."""

    def __init__(self, source: StoredSamples, rows: IntArray, device: torch.device) -> None:
        rows = np.random.default_rng(0).permutation(rows)
        self._array = stored_tensor(source.array[rows]).to(device)
        self._normalize = Normalization(source.levels)
        self._labels = None if source.conditions is None else torch.from_numpy(source.conditions[rows]).to(device)

    def take(self, count: int, step: int) -> Batch:
        """Return the next ``count`` samples of the pool, cyclically; they repeat where the pool has fewer."""
        rows = (torch.arange(count, device=self._array.device) + step * count) % len(self._array)
        return Batch(self._normalize(self._array[rows]), None if self._labels is None else self._labels[rows])


class PointProbeBatches:
    """Batches of points, drawn afresh at each step."""

    available = sys.maxsize

    def __init__(self, train: Density, heldout: Density, seed: int, device: torch.device) -> None:
        self._train, self._heldout = train.on(device), heldout.on(device)
        self._seed = seed
        self._device = device

    def train(self, count: int, step: int) -> Batch:
        """Return ``count`` points from the density that D trains on."""
        return Batch(self._draw(self._train, "trained", count, step))

    def heldout(self, count: int, step: int) -> Batch:
        """Return ``count`` points that D never trains on."""
        return Batch(self._draw(self._heldout, "held out", count, step))

    def _draw(self, source: Density, name: str, count: int, step: int) -> Tensor:
        return source.draw(count, seeded_generator(self._seed, f"{name} {step}", self._device))
