"""Arrays of numbers or words in NumPy's file formats: what a file announces is checked before memory is allocated.

NumPy allocates what a header asks for, and zipfile unpacks whatever there is; here an array takes as many bytes as its
file has, and an archive unpacks to no more than its reader expects. No array is unpickled.
"""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Container
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

# Numbers, truth values and text; Python objects would be unpickled.
KINDS = "biufcU"
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1
CHUNK_BYTES = 2**20
MAX_CODE_POINT = 0x10FFFF


class ArrayFileError(Exception):
    """The content of a file that is not what NumPy writes for arrays of numbers; the message says why."""


@dataclass(frozen=True)
class NpyHeader:
    """Header of a ``.npy`` file of numbers or text.

    Attributes:
        shape: of the array.
        column_major: True if the first axis changes fastest (Fortran's order).
        dtype: of its elements, none of whose kinds needs unpickling.
    """

    shape: tuple[int, ...]
    column_major: bool
    dtype: np.dtype[Any]

    def check_size(self, found: int) -> None:
        """Raise :class:`ArrayFileError` unless ``found`` bytes are what the array takes."""
        announced = math.prod(self.shape) * self.dtype.itemsize
        if announced != found:
            raise ArrayFileError(f"an array of {found} bytes, where its header announces {announced}")


def read_header(stream: IO[bytes]) -> NpyHeader:
    """Read the header of a ``.npy`` file, from its beginning.

    Raises:
        ArrayFileError: it is no such file, or of other things than numbers and text.
        OSError: it cannot be read.
    """
    try:
        shape, column_major, dtype = HEADERS[np.lib.format.read_magic(stream)](stream)
    except OSError:
        raise
    except Exception as error:  # NumPy parses a header as Python, and raises nearly anything on a damaged one
        raise ArrayFileError("no array as NumPy stores it") from error
    if dtype.kind not in KINDS or dtype.itemsize == 0:
        raise ArrayFileError(f"an array of {dtype}, not of numbers")
    if min(shape, default=0) < 0:
        raise ArrayFileError(f"an array of the shape {shape}")
    return NpyHeader(shape, column_major, dtype)


def read_npy(stream: IO[bytes], size: int) -> npt.NDArray[Any]:
    """Read the array of a ``.npy`` file.

    Args:
        stream: at the beginning of the file.
        size: bytes of the file.

    Raises:
        ArrayFileError: it is no such file, holds other things than numbers and text, or is of another length than its
            header announces.
        OSError: it cannot be read.
    """
    header = read_header(stream)
    header.check_size(size - stream.tell())
    array = np.empty(math.prod(header.shape), header.dtype)
    if array.size:
        _fill(stream, array.view(np.uint8).data)
    if header.dtype.kind == "U" and _code_points(array).max(initial=0) > MAX_CODE_POINT:
        raise ArrayFileError("an array of text with characters that there are none of")
    return array.reshape(header.shape, order="F" if header.column_major else "C")


def _fill(stream: IO[bytes], view: memoryview) -> None:
    while view:
        chunk = stream.read(min(CHUNK_BYTES, len(view)))
        if not chunk:
            raise ArrayFileError("an array that breaks off")
        view[: len(chunk)] = chunk
        view = view[len(chunk) :]


def _code_points(array: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    return array.view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))


def read_npz(file: BinaryIO, limit: int, names: Container[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of a ``.npz`` file, which may be preceded by other bytes.

    Args:
        file: open at any position; reading the list of its members takes memory of about its own size.
        limit: bytes that all arrays that are read may take together.
        names: names of the arrays to read; None: all.

    Raises:
        ArrayFileError: it is no such file, is damaged, is encrypted or packed by another method than NumPy's, or its
            arrays are not of numbers or exceed the limit.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            wanted = {info.filename: info for info in archive.infolist() if _is_wanted(info, names)}
            _check_members(list(wanted.values()), limit)
            return {name.removesuffix(".npy"): _member(archive, info) for name, info in wanted.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ArrayFileError(f"no whole zip archive: {error or type(error).__name__}") from error
    except (
        ValueError,
        NotImplementedError,
        RuntimeError,
        OverflowError,
        struct.error,
    ) as error:  # of zipfile, on forged members
        raise ArrayFileError(f"no zip archive that can be read: {error}") from error


def _is_wanted(info: zipfile.ZipInfo, names: Container[str] | None) -> bool:
    return info.filename.endswith(".npy") and (names is None or info.filename.removesuffix(".npy") in names)


def _check_members(members: list[zipfile.ZipInfo], limit: int) -> None:
    for info in members:
        if info.flag_bits & ENCRYPTED:
            raise ArrayFileError(f"{info.filename} is encrypted")
        if info.compress_type not in METHODS:
            raise ArrayFileError(f"{info.filename} is compressed by another method than numpy.savez_compressed's")
    total = sum(info.file_size for info in members)
    if total > limit:
        raise ArrayFileError(f"its arrays unpack to {total:,} bytes, more than {limit:,}")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[Any]:
    try:
        # Never read beyond the size that it announces, which was checked, whatever it is compressed from.
        with archive.open(info) as stream:
            return read_npy(stream, info.file_size)
    except ArrayFileError as error:
        raise ArrayFileError(f"{info.filename} is {error}") from error
