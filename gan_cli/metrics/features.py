"""What all metrics of features share: checks, blocks of rows, and distances between many pairs in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gan_cli.errors import InvalidValueError, require
from gan_cli.protocols.arrays import BoolArray, DoubleArray, Features, IntArray

IndexArray: TypeAlias = npt.NDArray[np.intp]

# Rows at a time: a million distances are 8 MB, and matrix products are as quick as they get.
BLOCK_SIZE = 1024
# A squared distance from a matrix product may be wrong by this share of the squared lengths that it came from: two
# hundred times the worst that was seen with 12,288 columns, and still next to no pair is in doubt.
RELATIVE_ERROR = 1e-12


def check_features(features: Features, key: str, least: int = 1) -> None:
    """Refuse features that no metric can be computed from.

    Args:
        features: ``(N, D)``.
        key: what the message calls them.
        least: how many rows it takes.

    Raises:
        InvalidValueError: not a matrix, too few rows, or a number that is not finite.
    """
    require(features.ndim == 2 and features.shape[-1] > 0, key, features.shape, "features of shape (N, D)")
    require(len(features) >= least, key, len(features), f"{least:,} or more samples")
    for block in blocks(len(features), BLOCK_SIZE):
        wrong = features[block][~np.isfinite(features[block])]
        if len(wrong):
            raise InvalidValueError(key, float(wrong[0]), "finite numbers")


def check_feature_pair(first: Features, second: Features, keys: tuple[str, str], least: int = 1) -> None:
    """:func:`check_features` both, and that they have as many columns; ``keys`` name them."""
    check_features(first, keys[0], least)
    check_features(second, keys[1], least)
    columns = first.shape[1]
    require(second.shape[1] == columns, keys[1], second.shape, f"{columns:,} columns, as {keys[0]} have")


def blocks(count: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` that cover ``range(count)`` in order."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def distances(first: Features, second: Features) -> DoubleArray:
    """Euclidean distances between rows of the same number, ``(N, D)`` each -> ``(N,)``.

    From the differences themselves: 0 for equal rows, and the same to the bit in either order.
    """
    difference = np.subtract(first, second, dtype=np.float64)
    result: DoubleArray = np.sqrt(np.square(difference, out=difference).sum(axis=1))
    return result


@dataclass(frozen=True)
class Tile:
    """Distances of some rows of one set to some rows of another.

    Attributes:
        rows: the rows of the first set, R of them.
        columns: the rows of the second set, C of them.
        first: the first set's rows, ``(R, D)``.
        second: the second set's rows, ``(C, D)``.
        squares: ``(R, C)``, squared distances.
        first_squares: ``(R,)``, squared lengths that they were computed from.
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
        """Which pairs are at most ``limits`` apart, ``(R, 1)`` or ``(1, C)`` -> ``(R, C)``.

        Exact at the limit as well: a pair that rounding could put on either side is measured again by
        :func:`distances`. Duplicates in the data put pairs there.
        """
        squared = np.square(limits)
        inside: BoolArray = self.squares <= squared
        row, column, limit = self._ambiguous_pairs(limits, squared)
        for part in blocks(len(row), BLOCK_SIZE):
            exact = distances(self.first[row[part]], self.second[column[part]])
            inside[row[part], column[part]] = exact <= limit[part]
        return inside

    def _ambiguous_pairs(self, limits: DoubleArray, squared: DoubleArray) -> tuple[IndexArray, IndexArray, DoubleArray]:
        """Rows, columns and limits of the pairs that rounding could put on either side."""
        # By the longest rows first, which is quick, then by the pair's own: one outlier must not put all in doubt.
        slack = RELATIVE_ERROR * (self.first_squares.max() + self.second_squares.max())
        row, column = np.nonzero((self.squares <= squared + slack) & (self.squares >= squared - slack))
        limit = np.broadcast_to(limits, self.squares.shape)[row, column]
        off = np.abs(self.squares[row, column] - np.square(limit))
        doubt = off <= RELATIVE_ERROR * (self.first_squares[row] + self.second_squares[column])
        return row[doubt], column[doubt], limit[doubt]


def tiles(first: Features, second: Features, side: int = BLOCK_SIZE) -> Iterator[Tile]:
    """All distances between ``(N, D)`` and ``(M, D)``, ``side`` x ``side`` at a time.

    ``|x - y|^2 = |x|^2 + |y|^2 - 2 x.y`` in float64, about the second set's mean so that little cancels.
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
    check_feature_pair(queries, references, ("queries", "references"))
    require(1 <= k <= len(references), "k", k, f"an integer from 1 to {len(references):,}, the number of references")
    from sklearn.neighbors import NearestNeighbors  # slow to import

    first, second = _search_arrays(queries, references)
    found = NearestNeighbors(n_neighbors=k).fit(second).kneighbors(first, return_distance=False)
    # They were found by way of squared lengths, which leaves 1e-8 of a length where 0 should be: measure again.
    exact = np.empty(found.shape)
    for block in blocks(len(queries), BLOCK_SIZE):
        for rank in range(k):
            exact[block, rank] = distances(queries[block], references[found[block, rank]])
    order = np.argsort(exact, axis=1, kind="stable")
    indices = np.take_along_axis(found, order, axis=1).astype(np.int64, copy=False)
    return Neighbours(indices, np.take_along_axis(exact, order, axis=1))


def _search_arrays(queries: Features, references: Features) -> tuple[Features, Features]:
    """The same points to search in, both of one type.

    In float32 the spacing of the numbers themselves is coarser than what the search loses to cancellation. Float64
    could hold points close together and far from 0, so there the search is made about their mean.
    """
    if queries.dtype == np.float32 and references.dtype == np.float32:
        return queries, references
    centre = references.mean(axis=0, dtype=np.float64)
    return queries - centre, references - centre
