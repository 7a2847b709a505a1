"""Training pictures nearest to generated ones, by the pixels themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_cli.data.splits import split_rows
from gan_cli.errors import ConfigError
from gan_cli.evaluation.backbones.base import stored_samples, to_floats
from gan_cli.evaluation.subjects import GeneratorSubject
from gan_cli.metrics.features import blocks, nearest
from gan_cli.protocols.arrays import DoubleArray, FloatArray, IntArray
from gan_cli.protocols.data import StoredSamples

# Memory for the training pictures that are searched at a time.
SEARCHED_BYTES = 2**28


@dataclass(frozen=True)
class TrainingNeighbours:
    """The k nearest training pictures of N samples, the nearest first.

    Attributes:
        rows: of the data, ``(N, k)``.
        distances: root mean square differences of their pixels, in [-1, 1], ``(N, k)``.
        pictures: ``(N, k, *shape)``, in [-1, 1].
    """

    rows: IntArray
    distances: DoubleArray
    pictures: FloatArray


def training_rows(subject: GeneratorSubject, count: int) -> IntArray:
    """Return the rows of the data that a run's generator learned from; raises ``ConfigError`` for fewer than count."""
    if not isinstance(subject.source, StoredSamples):
        raise ConfigError("--nearest: this run's data are drawn anew for each step, so none of them is a training one")
    rows = split_rows(len(subject.source.array), subject.share)[0]
    if count > len(rows):
        raise ConfigError(f"--nearest: expected {len(rows):,} at most, the number of training pictures, got {count:,}")
    return rows


def nearest_training(subject: GeneratorSubject, samples: FloatArray, count: int) -> TrainingNeighbours:
    """Find the training pictures nearest to samples, a part of the data at a time.

    Args:
        subject: the generator of a run with its data.
        samples: ``(N, *shape)``, in [-1, 1].
        count: number of neighbours of each, k.

    Raises:
        ConfigError: there are no or too few training pictures.
    """
    rows = training_rows(subject, count)
    source = subject.source
    assert isinstance(source, StoredSamples)
    queries = samples.reshape(len(samples), -1)
    best_rows, best = np.empty((len(samples), 0), np.int64), np.empty((len(samples), 0))
    for block in blocks(len(rows), max(count, SEARCHED_BYTES // (4 * queries.shape[1]))):
        part = to_floats(stored_samples(source, rows[block])).reshape(-1, queries.shape[1])
        found = nearest(queries, part, min(count, len(part)))
        candidates = np.concatenate([best_rows, rows[block][found.indices]], axis=1)
        distances = np.concatenate([best, found.distances], axis=1)
        order = np.argsort(distances, axis=1, kind="stable")[:, :count]
        best_rows, best = np.take_along_axis(candidates, order, 1), np.take_along_axis(distances, order, 1)
    flat = to_floats(stored_samples(source, best_rows.ravel()))
    return TrainingNeighbours(
        best_rows, best / queries.shape[1] ** 0.5, flat.reshape(*best_rows.shape, *flat.shape[1:])
    )
