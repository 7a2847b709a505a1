"""Arrays in files of any size: mapped into memory where their bytes lie there as they are, else read by rows.

``.npy``, ``.npz``, HDF5 and zarr. No array is unpickled, no member of an archive is unpacked to a path, and nothing is
read beyond the rows that are asked for.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from gan_cli.data.array_files import ENCRYPTED, METHODS, ArrayFileError, NpyHeader, read_header
from gan_cli.data.array_rows import read_blocks
from gan_cli.errors import DataError, did_you_mean, printable, truncated_repr
from gan_cli.storage.reading import open_regular

# The list of an archive's members is read whole: it has no more bytes than this.
MAX_LIST_BYTES = 2**24
LOCAL_HEADER, LOCAL_SIGNATURE = struct.Struct("<4s22xHH"), b"PK\x03\x04"
BLOCK_BYTES = 2**23
MAX_NAMES = 10
# Rows that are looked at: each takes a page of memory, and more around it, however short it is.
MAX_SAMPLE_ROWS = 1024


class ArraySource(Protocol):
    """An array of numbers in a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def identity(self) -> str:
        """Text that changes whenever the file does, where it is copied to be mapped."""
        ...

    def mapped(self) -> npt.NDArray[Any] | None:
        """Return the array as a read-only memory map; None where its bytes do not lie in the file as they are."""
        ...

    def sample(self, limit: int) -> npt.NDArray[Any]:
        """Return a few rows, the same each time, of about ``limit`` bytes: evenly spaced, or else the first."""
        ...

    def blocks(self) -> Iterator[npt.NDArray[Any]]:
        """Yield all rows in their order, a few megabytes at a time."""
        ...


def sample_rows(shape: tuple[int, ...], itemsize: int, limit: int) -> npt.NDArray[np.int64]:
    """Return evenly spaced rows of an array, the first and the last among them: of ``limit`` bytes, or two."""
    size = max(1, math.prod(shape[1:]) * itemsize)
    count = min(shape[0], MAX_SAMPLE_ROWS, max(2, limit // size))
    return np.unique(np.linspace(0, shape[0] - 1, count).astype(np.int64))


def file_identity(path: Path) -> str:
    """Return text that changes with the length or the time of the last change of a file."""
    status = path.stat()
    return f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"


@dataclass(frozen=True)
class MappedSource:
    """An array whose bytes lie in a file as they are."""

    array: npt.NDArray[Any]
    identity: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def mapped(self) -> npt.NDArray[Any]:
        return self.array

    def sample(self, limit: int) -> npt.NDArray[Any]:
        rows = sample_rows(self.shape, self.dtype.itemsize, limit)
        return np.concatenate([block for _, block in read_blocks(self.array, rows)])

    def blocks(self) -> Iterator[npt.NDArray[Any]]:
        length = max(1, BLOCK_BYTES // max(1, math.prod(self.shape[1:]) * self.dtype.itemsize))
        return (self.array[start : start + length] for start in range(0, self.shape[0], length))


def open_npy(path: Path) -> MappedSource:
    """Map the array of a ``.npy`` file; raises ``ArrayFileError`` and ``OSError``."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        return MappedSource(_map(file, 0, size), file_identity(path))


def _map(file: BinaryIO, start: int, size: int) -> npt.NDArray[Any]:
    """Map a ``.npy`` file, or a part of a file that is one, into memory."""
    file.seek(start)
    header = _require_numbers(read_header(file))
    data = file.tell()
    header.check_size(size - (data - start))
    if math.prod(header.shape) == 0:
        return np.empty(header.shape, header.dtype)
    return np.memmap(file, header.dtype, "r", data, header.shape, "F" if header.column_major else "C")


def _require_numbers(header: NpyHeader) -> NpyHeader:
    if header.dtype.fields is not None or header.dtype.kind == "V":
        raise ArrayFileError(f"an array of {header.dtype}, not of numbers")
    return header


def choose_name(path: Path, names: Sequence[str], key: str | None, setting: str = "key") -> str:
    """Return the name of an array in a file of several: the one that is wanted, or the only one.

    Raises:
        DataError: there is none of that name, or several and none is wanted; lists them.
    """
    listed = ", ".join(map(printable, names[:MAX_NAMES])) + (", ..." if len(names) > MAX_NAMES else "")
    if not names:
        raise DataError(f"{path}: there is no array in it")
    if key is None:
        if len(names) > 1:
            raise DataError(f"{path}: several arrays are in it; dataset.{setting} chooses one: {listed}")
        return names[0]
    if key not in names:
        hint = did_you_mean(key, names)
        raise DataError(f"{path}: there is no array {truncated_repr(key)}.{hint} There are: {listed}")
    return key


class _ListReader:
    """A file whose reads are of bounded length, as zipfile reads the whole list of members at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        content = self._file.read(MAX_LIST_BYTES + 1 if count < 0 else min(count, MAX_LIST_BYTES + 1))
        if len(content) > MAX_LIST_BYTES:
            raise ArrayFileError(f"an archive whose list of members has more than {MAX_LIST_BYTES:,} bytes")
        return content


@contextlib.contextmanager
def _archive_errors() -> Iterator[None]:
    """Turn what zipfile raises on damaged and forged archives into ``ArrayFileError``."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ArrayFileError(f"no whole zip archive: {error or type(error).__name__}") from error
    except (ValueError, NotImplementedError, RuntimeError, OverflowError, struct.error) as error:
        raise ArrayFileError(f"no zip archive that can be read: {error}") from error


@dataclass(frozen=True)
class PackedSource:
    """A compressed array of a ``.npz`` file, which can be read from its beginning alone."""

    path: Path
    member: str
    header: NpyHeader
    identity: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.header.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.header.dtype

    def mapped(self) -> None:
        """Return None: what is compressed cannot be mapped."""
        return

    def sample(self, limit: int) -> npt.NDArray[Any]:
        """Return the first rows: others take unpacking all before them."""
        return np.concatenate(list(self._read(min(self.shape[0], max(2, limit // self._row_bytes)))))

    def blocks(self) -> Iterator[npt.NDArray[Any]]:
        return self._read(self.shape[0])

    @property
    def _row_bytes(self) -> int:
        return max(1, math.prod(self.shape[1:]) * self.dtype.itemsize)

    def _read(self, count: int) -> Iterator[npt.NDArray[Any]]:
        if self.header.column_major and len(self.shape) > 1:
            raise ArrayFileError("compressed in Fortran's order, which is not read by rows; np.save stores it plainly")
        with (
            _archive_errors(),
            open_regular(self.path) as file,
            zipfile.ZipFile(file) as archive,
            archive.open(self.member) as stream,
        ):
            read_header(stream)
            length = max(1, BLOCK_BYTES // self._row_bytes)
            for start in range(0, count, length):
                yield self._block(stream, min(length, count - start))

    def _block(self, stream: IO[bytes], rows: int) -> npt.NDArray[Any]:
        size = rows * self._row_bytes
        content = stream.read(size)
        if len(content) < size:
            raise ArrayFileError("an array that breaks off")
        return np.frombuffer(content, self.dtype).reshape(rows, *self.shape[1:])


def npz_names(path: Path) -> list[str]:
    """Return the names of the arrays in a ``.npz`` file; raises ``ArrayFileError`` and ``OSError``."""
    with open_regular(path) as file:
        return list(_members(file))


def open_npz(path: Path, name: str) -> MappedSource | PackedSource:
    """Open an array of a ``.npz`` file, which is mapped unless it is compressed.

    Raises:
        ArrayFileError: the archive or the array is damaged, forged, encrypted, or packed by another method than
            NumPy's.
        OSError: it cannot be read.
    """
    with open_regular(path) as file:
        info = _members(file)[name]
        if info.flag_bits & ENCRYPTED:
            raise ArrayFileError(f"{info.filename} is encrypted")
        if info.compress_type not in METHODS:
            raise ArrayFileError(f"{info.filename} is compressed by another method than numpy.savez_compressed's")
        identity = f"{file_identity(path)}\0{name}"
        if info.compress_type == zipfile.ZIP_STORED:
            return MappedSource(_map(file, _start(file, info), info.file_size), identity)
        with _archive_errors(), zipfile.ZipFile(file) as archive, archive.open(info) as stream:
            header = _require_numbers(read_header(stream))
            header.check_size(info.file_size - stream.tell())
        return PackedSource(path, info.filename, header, identity)


def _members(file: BinaryIO) -> dict[str, zipfile.ZipInfo]:
    """Return the arrays of an archive by name."""
    with _archive_errors():
        reader: Any = _ListReader(file)
        with zipfile.ZipFile(reader) as archive:
            infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    found = {info.filename.removesuffix(".npy"): info for info in infos}
    if len(found) < len(infos):
        raise ArrayFileError("an archive with two members of one name")
    return found


def _start(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Return where in a file the bytes of a stored member begin, after a check that all of them are there."""
    file.seek(info.header_offset)
    header = file.read(LOCAL_HEADER.size)
    if len(header) < LOCAL_HEADER.size or not header.startswith(LOCAL_SIGNATURE):
        raise ArrayFileError(f"no whole zip archive: {info.filename} is not where its list says")
    _, name_length, extra_length = LOCAL_HEADER.unpack(header)
    start = info.header_offset + LOCAL_HEADER.size + name_length + extra_length
    if info.file_size != info.compress_size or start + info.file_size > os.fstat(file.fileno()).st_size:
        raise ArrayFileError(f"no whole zip archive: {info.filename} breaks off")
    return int(start)
