"""Cache of computed files below the data root; every file is written atomically."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from gan_cli.data.array_files import ArrayFileError, read_npz
from gan_cli.errors import OutputError
from gan_cli.storage.files import replacing_durably
from gan_cli.storage.reading import open_regular, too_long

logger = logging.getLogger(__name__)

DEFAULT_ROOT = "~/.cache/gan_cli"
# Environment variable that names another.
ROOT_VARIABLE = "GAN_DATA"
DIGEST_BYTES = 64
# Far above the features of all samples of a data set that fits in memory: what is longer was not stored here.
MAX_STORED_BYTES = 2**32
# A checksum in hexadecimal, and the beginning of a zip archive: a file without these is not read any further.
START = re.compile(rb"[0-9a-f]{64}PK")

Arrays = Mapping[str, npt.NDArray[Any]]


class DamagedError(Exception):
    """A cached file differs from what was written; the message says how."""


class Store:
    """Cache directory: the data root, or ``~/.cache/gan_cli`` where the root cannot be written."""

    def __init__(self, root: Path) -> None:
        self._places = (root, *(place for place in home_root() if place != root))
        self._warned = False

    def find(self, name: str) -> Iterator[Path]:
        """Yield whatever exists of that name, be it a file or not, the one in the data root first."""
        for place in self._places:
            with contextlib.suppress(OSError):
                if (place / name).exists():
                    yield place / name

    def write(self, name: str, content: bytes) -> Path:
        """Write a file, replacing any other of that name; several processes may do so at once.

        Raises:
            OutputError: neither place can be written.
        """
        failure: OSError | None = None
        for place in self._places:
            try:
                with replacing_durably(place / name) as part:
                    part.write_bytes(content)
            except OSError as error:
                failure = failure or error
                continue
            if failure is not None:
                reason = failure.strerror or failure
                self._warn_once("%s cannot be written (%s): %s is kept in %s", self._places[0], reason, name, place)
            return place / name
        raise OutputError(f"cannot write {name} below {' or '.join(map(str, self._places))}: {failure}") from failure

    def load_or_compute(
        self,
        folder: str,
        key: Mapping[str, Any],
        compute: Callable[[], Arrays],
        check: Callable[[Arrays], object] = lambda _: None,
    ) -> Arrays:
        """Return arrays by name, read back or else computed and stored; a damaged file is recomputed, with a warning.

        Where nothing can be written, the arrays are returned all the same, with a warning.

        Args:
            folder: folder of the file, below the root.
            key: all that the arrays depend on, as plain values.
            compute: called where no intact file exists.
            check: raises :class:`DamagedError` where stored arrays are not such as ``compute`` returns.
        """
        name = f"{folder}/{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]}.npz"
        for path in self.find(name):
            try:
                arrays = read_arrays(path)
                check(arrays)
            except (DamagedError, OSError) as error:
                logger.warning(
                    "%s is damaged (%s): it is computed again", path, getattr(error, "strerror", None) or error
                )
            else:
                return arrays
        computed = compute()
        self.write_if_possible(name, serialize_arrays(computed))
        return computed

    def write_if_possible(self, name: str, content: bytes) -> Path:
        """Write a file as :meth:`write` does; where nothing can be written, a warning says so, once for all files.

        Returns:
            The file, which is not there if it could not be written.
        """
        try:
            return self.write(name, content)
        except OutputError as error:
            self._warn_once("%s: such files are computed again the next time", error)
            return self._places[0] / name

    def _warn_once(self, message: str, *arguments: object) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(message, *arguments)


def can_be_written(folder: Path) -> bool:
    """Return whether files can be written into a folder, which is made if there is none."""
    found = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    return os.path.isdir(found) and os.access(found, os.W_OK | os.X_OK)  # noqa: PTH112 - is_dir() raises without rights


def home_root() -> tuple[Path, ...]:
    """Return the default root; empty for a user without a home directory."""
    try:
        return (Path(DEFAULT_ROOT).expanduser(),)
    except RuntimeError:
        return ()


def serialize_arrays(arrays: Arrays) -> bytes:
    """Return arrays as the content of one file: a checksum, then a NumPy archive.

    Raises:
        TypeError: an array holds Python objects, which would be pickled.
    """
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise TypeError(f"arrays of numbers or text expected, got objects in {', '.join(objects)}")
    archive = io.BytesIO()
    # NumPy 1.26 takes allow_pickle=False for one more array.
    np.savez(archive, **arrays)  # type: ignore[arg-type] # of that parameter
    content = archive.getvalue()
    return hashlib.sha256(content).hexdigest().encode() + content


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays in a file of :func:`serialize_arrays`, which is read only once its checksum is right.

    Raises:
        DamagedError: a byte has changed, or the file holds other things than arrays of numbers or text.
        OSError: the file cannot be read, is no regular file, or is longer than any that is stored.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > MAX_STORED_BYTES:
            raise too_long(path, MAX_STORED_BYTES)
        return _read_arrays(file)


def deserialize_arrays(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays in the content of a file of :func:`serialize_arrays`; errors as of :func:`read_arrays`."""
    return _read_arrays(io.BytesIO(content))


def _read_arrays(file: BinaryIO) -> dict[str, npt.NDArray[Any]]:
    if not START.match(file.read(DIGEST_BYTES + len(b"PK"))):
        raise DamagedError("it does not begin with a checksum and an archive")
    file.seek(0)
    expected = file.read(DIGEST_BYTES)
    if _digest(file).encode() != expected:
        raise DamagedError("its checksum is another than it should be")
    try:
        # Nothing is compressed: the arrays have no more bytes than the file.
        return read_npz(file, limit=file.tell())
    except ArrayFileError as error:
        raise DamagedError(str(error)) from error


def sha256(path: Path) -> str:
    """Return the SHA-256 checksum of a regular file, in hexadecimal; raises ``OSError``."""
    with open_regular(path) as file:
        return _digest(file)


def _digest(file: BinaryIO) -> str:
    """Return the SHA-256 checksum, in hexadecimal, of what remains of an open file."""
    digest = hashlib.sha256()
    while chunk := file.read(2**20):
        digest.update(chunk)
    return digest.hexdigest()
