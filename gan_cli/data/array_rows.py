"""Rows of arrays that are read and converted when they are asked for, so that the array is never in memory."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_cli.errors import DataError
from gan_cli.protocols.arrays import IntArray, StoredArray

# Types that samples are stored in; others are scaled to [-1, 1] and stored as float32.
STORED = tuple(map(np.dtype, (np.uint8, np.uint16, np.float16, np.float32)))
# Ends of a range that are so many times as far from zero as from each other leave float32 too few digits.
MAX_OFFSET = 1024
BLOCK_BYTES = 2**23
BLOCK_ROWS = 256
# Of a larger memory map, pages that were read do not stay in the memory of this process.
MAX_KEPT_BYTES = 2**28


@dataclass(frozen=True)
class ConvertedRows:
    """An array whose rows are checked and converted as they are read: finite numbers, of a type of :data:`STORED`.

    Attributes:
        source: ``(N, *shape)``, such as a memory map.
        location: its name in messages.
        dtype: of what is read.
        scaled: values that are -1 and 1 in what is read; None: numbers stay as they are.
    """

    source: npt.NDArray[Any]
    location: str
    dtype: np.dtype[Any]
    scaled: tuple[float, float] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape

    @property
    def nbytes(self) -> int:
        """Bytes that all rows take once they are read."""
        return int(self.source.size) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, rows: int | slice | IntArray) -> npt.NDArray[Any]:
        """Read rows; one row for a number.

        Raises:
            DataError: one of them is not finite.
        """
        if isinstance(rows, slice):
            return self._read(np.arange(*rows.indices(len(self))))
        return self._read(rows) if isinstance(rows, np.ndarray) else self._read(np.array([rows]))[0]

    def _read(self, rows: IntArray) -> npt.NDArray[Any]:
        values = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for part, block in read_blocks(self.source, rows):
            values[part] = self._convert(block, rows[part])
        return values

    def _convert(self, values: npt.NDArray[Any], rows: IntArray) -> npt.NDArray[Any]:
        require_finite(values, rows, self.location)
        if self.scaled is None:
            return values.astype(self.dtype, copy=False)
        low, high = self.scaled
        result: npt.NDArray[Any] = ((values.astype(np.float64) - low) * (2 / (high - low)) - 1).astype(self.dtype)
        return result


def read_blocks(array: npt.NDArray[Any], rows: IntArray) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
    """Yield rows of an array, a few at a time, with the part of ``rows`` that they are.

    With each row the system maps pages around it, tens of kilobytes, which count as memory of the process until they
    are given back.
    """
    length = min(BLOCK_ROWS, max(1, BLOCK_BYTES // max(1, math.prod(array.shape[1:]) * array.itemsize)))
    for start in range(0, len(rows), length):
        part = slice(start, start + length)
        yield part, array[rows[part]]
        _release_pages(array)


def _release_pages(array: npt.NDArray[Any]) -> None:
    """Give the pages of a large memory map back, which the system keeps as long as it has room for them."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and len(base) > MAX_KEPT_BYTES and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def require_finite(values: npt.NDArray[Any], rows: IntArray, location: str) -> None:
    """Raise ``DataError`` unless all values of rows are finite; names the first row that is not."""
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    wrong = ~np.isfinite(values.reshape(len(rows), -1)).all(axis=1)
    raise DataError(f"{location}: row {int(rows[wrong.argmax()])} holds NaN or infinity; expected finite numbers")


@dataclass(frozen=True)
class StoredRows:
    """Rows as samples are stored, and the values that are -1 and 1 for networks."""

    array: StoredArray
    levels: tuple[float, float]


def stored_rows(array: npt.NDArray[Any], value_range: tuple[float, float], location: str) -> StoredRows:
    """Return an array of real numbers in a type that samples are stored in; nothing of it is read.

    Bytes, 16-bit integers from 0 on, and floats of 16 and 32 bits keep their values.
    """
    native = array.dtype.newbyteorder("=")
    if native == np.bool_:
        return StoredRows(ConvertedRows(array, location, np.dtype(np.uint8)), value_range)
    low, high = value_range
    far = max(abs(low), abs(high)) > MAX_OFFSET * (high - low)
    if native not in STORED or (far and native.kind == "f"):
        return StoredRows(ConvertedRows(array, location, np.dtype(np.float32), value_range), (-1.0, 1.0))
    return StoredRows(ConvertedRows(array, location, native), value_range)


def gather_rows(array: StoredArray, rows: IntArray, out: npt.NDArray[Any]) -> None:
    """Copy rows of an array, all of them there, into another of the same type."""
    if isinstance(array, np.ndarray) and array.flags.c_contiguous and array.flags.aligned:
        # "clip" saves NumPy a buffer of its own; no row is out of range.
        np.take(array, rows, axis=0, out=out, mode="clip")
    else:  # of which np.take would make a whole copy first
        out[...] = array[rows]
