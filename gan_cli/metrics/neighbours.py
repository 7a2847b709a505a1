"""Exact nearest neighbours in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_cli.errors import require
from gan_cli.metrics.features import SIDE, blocks, check_both, distances
from gan_cli.protocols.arrays import DoubleArray, Features, IntArray


@dataclass(frozen=True)
class Neighbours:
    """The nearest references of each query, the nearest first.

    Attributes:
        indices: ``(N, k)``, rows of the references.
        distances: ``(N, k)``, Euclidean; exactly 0 for a copy.
    """

    indices: IntArray
    distances: DoubleArray


def nearest(queries: Features, references: Features, k: int) -> Neighbours:
    """The ``k`` nearest of ``(M, D)`` references to each of ``(N, D)`` queries.

    Never holds more than a few blocks of the N x M distances; beside them, copies of the features at most. Among
    references equally near, any may come first.

    Raises:
        InvalidValueError: ``k`` is not from 1 to M, different D, numbers that are not finite.
    """
    check_both(queries, references, ("queries", "references"))
    require(1 <= k <= len(references), "k", k, f"an integer from 1 to {len(references):,}, the number of references")
    from sklearn.neighbors import NearestNeighbors  # slow to import

    first, second = _alike(queries, references)
    found = NearestNeighbors(n_neighbors=k).fit(second).kneighbors(first, return_distance=False)
    # They were found by way of squared lengths, which leaves 1e-8 of a length where 0 should be: measure again.
    exact = np.empty(found.shape)
    for block in blocks(len(queries), SIDE):
        for rank in range(k):
            exact[block, rank] = distances(queries[block], references[found[block, rank]])
    order = np.argsort(exact, axis=1, kind="stable")
    indices = np.take_along_axis(found, order, axis=1).astype(np.int64, copy=False)
    return Neighbours(indices, np.take_along_axis(exact, order, axis=1))


def _alike(queries: Features, references: Features) -> tuple[Features, Features]:
    """The same points to search in, both of one type.

    In float32 the spacing of the numbers themselves is coarser than what the search loses to cancellation. Float64
    could hold points close together and far from 0, so there the search is made about their mean.
    """
    if queries.dtype == np.float32 and references.dtype == np.float32:
        return queries, references
    centre = references.mean(axis=0, dtype=np.float64)
    return queries - centre, references - centre
