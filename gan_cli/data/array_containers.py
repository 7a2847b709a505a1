"""Arrays in HDF5 files and zarr stores, for the extra ``arrays``: neither follows a link out of the user's file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_cli.config.extras import require_extra
from gan_cli.data.array_files import ArrayFileError
from gan_cli.data.array_sources import BLOCK_BYTES, MappedSource, file_identity, sample_rows
from gan_cli.data.memory import data_memory
from gan_cli.errors import UserError
from gan_cli.storage.reading import MAX_JSON_BYTES, open_regular, read_bytes

# Codecs of zarr's chunks that compute; numcodecs has one that unpickles.
CODECS = frozenset(
    {
        *("blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma", "shuffle", "delta", "crc32c", "bytes", "transpose"),
        *("sharding_indexed", "fixedscaleoffset", "bitround", "quantize", "astype", "packbits", "crc32", "adler32"),
    }
)
MAX_FILES = 10_000_000
# Share of the memory for data that one chunk may take once it is unpacked.
CHUNK_SHARE = 4


@dataclass(frozen=True)
class ChunkedSource:
    """An array of a library that reads it by chunks.

    Attributes:
        array: a dataset of h5py's or an array of zarr's.
        identity: text that changes with the file.
    """

    array: Any
    identity: str

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(int, self.array.shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    def mapped(self) -> None:
        """Return None: chunks do not lie in the order of the array."""
        return

    def sample(self, limit: int) -> npt.NDArray[Any]:
        rows = sample_rows(self.shape, self.dtype.itemsize, limit)
        with container_errors():
            return np.stack([np.asarray(self.array[int(row)]) for row in rows])

    def blocks(self) -> Iterator[npt.NDArray[Any]]:
        chunk_rows = int((self.array.chunks or (1,))[0])
        rows = max(1, BLOCK_BYTES // max(1, math.prod(self.shape[1:]) * self.dtype.itemsize))
        length = max(1, rows // chunk_rows) * chunk_rows
        for start in range(0, self.shape[0], length):
            with container_errors():
                block = np.asarray(self.array[start : start + length])
            yield block


@contextlib.contextmanager
def container_errors() -> Iterator[None]:
    """Turn what h5py and zarr raise on damaged files, of nearly any kind, into ``ArrayFileError``."""
    try:
        yield
    except (UserError, ArrayFileError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ArrayFileError(f"it cannot be read ({reason[:200]})") from error


def open_hdf5(path: Path) -> Any:
    """Open an HDF5 file of h5py's; raises ``ConfigError``, ``ArrayFileError`` and ``OSError``."""
    require_extra("dataset: an array in an HDF5 file", "arrays", ["h5py"])
    import h5py  # type: ignore[import-untyped]

    open_regular(path).close()
    with container_errors():
        return h5py.File(path, "r", locking=False)


def hdf5_names(file: Any) -> list[str]:
    """Return the datasets of an HDF5 file that it holds itself: links to other files are not followed."""
    import h5py

    names = list[str]()

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            names.append(name)

    with container_errors():
        file.visititems(visit)
    return names


def hdf5_source(path: Path, file: Any, name: str) -> MappedSource | ChunkedSource:
    """Return a dataset of an HDF5 file; it is mapped where its bytes lie in the file as they are.

    Raises:
        ArrayFileError: it is damaged, its bytes lie in other files, or it is no array of numbers.
        OSError: the file cannot be read.
    """
    identity = f"{file_identity(path)}\0{name}"
    with container_errors():
        found = file[name]
        if found.shape is None or found.dtype.kind not in "biufc":
            raise ArrayFileError(f"an array of {found.dtype}, not of numbers")
        if found.external or found.is_virtual:
            raise ArrayFileError("its numbers lie in other files")
        in_place = found.chunks is None and not file.userblock_size
        offset: int | None = found.id.get_offset() if in_place else None
        _require_chunk(found.chunks or (), found.dtype)
        if found.size and offset is not None and offset + found.nbytes <= path.stat().st_size:
            return MappedSource(np.memmap(path, found.dtype, "r", offset, found.shape), identity)
    return ChunkedSource(found, identity)


def _require_chunk(chunks: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    size = math.prod(map(int, chunks)) * dtype.itemsize
    if size > data_memory() // CHUNK_SHARE:
        raise ArrayFileError(f"its chunks of {size:,} bytes are more than fit in memory")


def zarr_names(folder: Path) -> list[str]:
    """Return the arrays of a zarr store of either format, an empty name for a store that is one array.

    Raises:
        ArrayFileError: the description of one cannot be read.
        OSError: a file cannot be read.
    """
    names = list[str]()
    for place, inside, files in os.walk(folder):
        inside.sort()
        if ".zarray" in files or ("zarr.json" in files and _is_array(Path(place, "zarr.json"))):
            names.append(Path(place).relative_to(folder).as_posix().removeprefix("."))
            inside.clear()
    return sorted(names)


def _is_array(path: Path) -> bool:
    return _description(path).get("node_type") == "array"


def _description(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_bytes(path, MAX_JSON_BYTES))
    except (ValueError, RecursionError) as error:
        raise ArrayFileError(f"{path.name} is no JSON") from error
    if not isinstance(content, dict):
        raise ArrayFileError(f"{path.name} is no description of an array")
    return content


def zarr_source(folder: Path, name: str) -> ChunkedSource:
    """Open an array of a zarr store.

    Raises:
        ConfigError: zarr is not installed.
        ArrayFileError: it is damaged, or packed by a codec that does more than compute.
        OSError: a file of it cannot be read.
    """
    require_extra("dataset: an array in a zarr store", "arrays", ["zarr"])
    place = folder / name if name else folder
    older = (place / ".zarray").exists()
    content = _description(place / (".zarray" if older else "zarr.json"))
    _require_codecs(content)
    if older and not isinstance(content.get("dtype"), str):
        raise ArrayFileError(f"an array of {str(content.get('dtype'))[:80]}, not of numbers")
    if older and "O" in content["dtype"]:
        raise ArrayFileError("an array of object, not of numbers")
    identity = _tree_identity(place)
    import zarr

    with container_errors():
        array = zarr.open_array(str(place), mode="r")
        if np.dtype(array.dtype).kind not in "biufc":
            raise ArrayFileError(f"an array of {array.dtype}, not of numbers")
        _require_chunk(array.chunks, np.dtype(array.dtype))
    return ChunkedSource(array, identity)


def _require_codecs(value: Any, depth: int = 0) -> None:
    """Raise ``ArrayFileError`` for a codec that is not known to compute alone, in a description of either format."""
    if depth > 8:
        raise ArrayFileError("its codecs are nested too deeply")
    if isinstance(value, list):
        for each in value:
            _require_codecs(each, depth + 1)
    elif isinstance(value, dict):
        chains = [value.get(key) for key in ("filters", "compressor", "codecs", "index_codecs", "configuration")]
        if depth > 0 and ("id" in value or "name" in value):
            codec = str(value.get("id", value.get("name"))).removeprefix("numcodecs.")
            if codec not in CODECS:
                raise ArrayFileError(f"packed by the codec {codec[:80]!r}, which is not read")
        for chain in chains:
            _require_codecs(chain, depth + 1)


def _tree_identity(folder: Path) -> str:
    """Return text that changes with any file of a store; raises ``ArrayFileError`` for what is no regular file."""
    digest, folders, count = hashlib.sha256(str(folder.resolve()).encode(errors="surrogateescape")), [str(folder)], 0
    while folders:
        with os.scandir(folders.pop()) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
        count += len(inside)
        if count > MAX_FILES:
            raise ArrayFileError(f"a store of more than {MAX_FILES:,} files")
        for entry in inside:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                folders.append(entry.path)
            elif not stat.S_ISREG(status.st_mode):
                raise ArrayFileError(f"{entry.name} is no regular file")
            elif status.st_size > data_memory() // CHUNK_SHARE:  # zarr reads it whole
                raise ArrayFileError(f"{entry.name} has {status.st_size:,} bytes, more than fit in memory")
            digest.update(os.fsencode(entry.path) + f"\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()
