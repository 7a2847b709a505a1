"""Types of arrays, and the interface of objects with a state."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Features: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.float64]
DoubleArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


FloatArray: TypeAlias = npt.NDArray[np.float32]
ByteArray: TypeAlias = npt.NDArray[np.uint8]
IntArray: TypeAlias = npt.NDArray[np.int64]


class StoredArray(Protocol):
    """Numbers as data are stored, uint8, uint16, float16 or float32: NumPy's array, or rows that are read when asked.

    Indexing by a number, a slice or integers ``(M,)`` along the first axis returns an array of NumPy's.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of samples, and the shape of each."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers, one of those four."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes that all of it takes in memory."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


class Stateful(Protocol):
    """An object whose state goes into a checkpoint as tensors and plain values."""

    def state_dict(self) -> dict[str, Any]:
        """Return the complete state: an object restored from it continues bitwise the same."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that :meth:`state_dict` returned."""
        ...
