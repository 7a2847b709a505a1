"""Helpers of all metrics of features: checks, blocks of rows, and distances of many pairs in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gan_cli.errors import InvalidValueError, require
from gan_cli.protocols.arrays import BoolArray, DoubleArray, Features, IntArray

IndexArray: TypeAlias = npt.NDArray[np.intp]

# Rows at a time: a million distances are 8 MB, and larger blocks do not make matrix products faster.
BLOCK_SIZE = 1024
# Bound on the error of a squared distance from a matrix product, as a share of the squared norms it was computed from:
# two hundred times the largest that was observed with 12,288 columns, and few pairs are ambiguous even so.
RELATIVE_ERROR = 1e-12


def check_features(features: Features, key: str, least: int = 1) -> None:
    """Raise unless metrics can be computed from the features.

    Args:
        features: ``(N, D)``.
        key: their name in the message.
        least: smallest number of rows.

    Raises:
        InvalidValueError: not a matrix, too few rows, or a number that is not finite.
    """
    require(features.ndim == 2 and features.shape[-1] > 0, key, features.shape, "features of shape (N, D)")
    require(len(features) >= least, key, len(features), f"{least:,} or more samples")
    for block in blocks(len(features), BLOCK_SIZE):
        nonfinite = features[block][~np.isfinite(features[block])]
        if len(nonfinite):
            raise InvalidValueError(key, float(nonfinite[0]), "finite numbers")


def check_feature_pair(first: Features, second: Features, keys: tuple[str, str], least: int = 1) -> None:
    """Apply :func:`check_features` to both, and raise unless they have as many columns; ``keys`` are their names."""
    check_features(first, keys[0], least)
    check_features(second, keys[1], least)
    columns = first.shape[1]
    require(second.shape[1] == columns, keys[1], second.shape, f"{columns:,} columns, as {keys[0]} have")


def blocks(count: int, size: int) -> Iterator[slice]:
    """Yield slices of at most ``size`` that cover ``range(count)`` in order."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def distances(first: Features, second: Features) -> DoubleArray:
    """Compute Euclidean distances between corresponding rows, ``(N, D)`` each -> ``(N,)``.

    From the differences themselves: 0 for equal rows, and bitwise symmetric.
    """
    difference = np.subtract(first, second, dtype=np.float64)
    result: DoubleArray = np.sqrt(np.square(difference, out=difference).sum(axis=1))
    return result


@dataclass(frozen=True)
class Tile:
    """Squared distances between a block of rows of one set and a block of rows of another.

    Attributes:
        rows: the rows of the first set, R of them.
        columns: the rows of the second set, C of them.
        first: the first set's rows, ``(R, D)``.
        second: the second set's rows, ``(C, D)``.
        squares: ``(R, C)``, squared distances.
        first_squares: ``(R,)``, squared norms of the centred rows that they were computed from.
        second_squares: ``(C,)``, the same of the second set's rows.
    """

    rows: slice
    columns: slice
    first: Features
    second: Features
    squares: DoubleArray
    first_squares: DoubleArray
    second_squares: DoubleArray

    def within(self, limits: DoubleArray) -> BoolArray:
        """Return a mask of the pairs that are at most ``limits`` apart, ``(R, 1)`` or ``(1, C)`` -> ``(R, C)``.

        Exact at the limit as well, where duplicates in the data put pairs: a pair that rounding could put on either
        side is computed again by :func:`distances`.
        """
        squared = np.square(limits)
        inside: BoolArray = self.squares <= squared
        row, column, limit = self._ambiguous_pairs(limits, squared)
        for part in blocks(len(row), BLOCK_SIZE):
            exact = distances(self.first[row[part]], self.second[column[part]])
            inside[row[part], column[part]] = exact <= limit[part]
        return inside

    def _ambiguous_pairs(self, limits: DoubleArray, squared: DoubleArray) -> tuple[IndexArray, IndexArray, DoubleArray]:
        """Return rows, columns and limits of the pairs that rounding could put on either side of their limits."""
        # First with the largest norms, which is fast, then with the pair's own: else a single outlier would make all
        # pairs ambiguous.
        slack = RELATIVE_ERROR * (self.first_squares.max() + self.second_squares.max())
        row, column = np.nonzero((self.squares <= squared + slack) & (self.squares >= squared - slack))
        limit = np.broadcast_to(limits, self.squares.shape)[row, column]
        margin = np.abs(self.squares[row, column] - np.square(limit))
        ambiguous = margin <= RELATIVE_ERROR * (self.first_squares[row] + self.second_squares[column])
        return row[ambiguous], column[ambiguous], limit[ambiguous]


def tiles(first: Features, second: Features, side: int = BLOCK_SIZE) -> Iterator[Tile]:
    """Yield all distances between ``(N, D)`` and ``(M, D)``, at most ``side`` x ``side`` at a time.

    ``|x - y|^2 = |x|^2 + |y|^2 - 2 x.y`` in float64, centred on the second set's mean to limit cancellation.
    """
    centre = second.mean(axis=0, dtype=np.float64)
    for rows in blocks(len(first), side):
        left = first[rows] - centre
        left_squares = np.einsum("ij,ij->i", left, left)
        for columns in blocks(len(second), side):
            right = second[columns] - centre
            right_squares = np.einsum("ij,ij->i", right, right)
            squares = left @ right.T
            squares *= -2.0
            squares += left_squares[:, None]
            squares += right_squares
            yield Tile(rows, columns, first[rows], second[columns], squares, left_squares, right_squares)


@dataclass(frozen=True)
class Neighbours:
    """The nearest references of each query, in ascending order of distance.

    Attributes:
        indices: ``(N, k)``, rows of the references.
        distances: ``(N, k)``, Euclidean; exactly 0 for a copy.
    """

    indices: IntArray
    distances: DoubleArray


def nearest(queries: Features, references: Features, k: int) -> Neighbours:
    """Find the ``k`` nearest of ``(M, D)`` references to each of ``(N, D)`` queries.

    Memory holds at most a few blocks of the N x M distances, and copies of the features. Ties are broken arbitrarily.

    Raises:
        InvalidValueError: ``k`` is not from 1 to M, different D, numbers that are not finite.
    """
    check_feature_pair(queries, references, ("queries", "references"))
    require(1 <= k <= len(references), "k", k, f"an integer from 1 to {len(references):,}, the number of references")
    from sklearn.neighbors import NearestNeighbors  # slow to import

    first, second = _search_arrays(queries, references)
    neighbours = NearestNeighbors(n_neighbors=k).fit(second).kneighbors(first, return_distance=False)
    # The search uses squared norms, which leaves 1e-8 of a norm where the distance is 0: compute distances again.
    exact = np.empty(neighbours.shape)
    for block in blocks(len(queries), BLOCK_SIZE):
        for rank in range(k):
            exact[block, rank] = distances(queries[block], references[neighbours[block, rank]])
    order = np.argsort(exact, axis=1, kind="stable")
    indices = np.take_along_axis(neighbours, order, axis=1).astype(np.int64, copy=False)
    return Neighbours(indices, np.take_along_axis(exact, order, axis=1))


def _search_arrays(queries: Features, references: Features) -> tuple[Features, Features]:
    """Return queries and references in one dtype and with coordinates suitable for the search.

    In float32 the spacing of the numbers themselves is coarser than what the search loses to cancellation. In float64
    points may be close together and far from 0, so they are centred on the references' mean.
    """
    if queries.dtype == np.float32 and references.dtype == np.float32:
        return queries, references
    centre = references.mean(axis=0, dtype=np.float64)
    return queries - centre, references - centre
