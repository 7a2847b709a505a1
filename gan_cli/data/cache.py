"""Files that were computed once and are kept below the data root; each appears whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_cli.errors import OutputError

logger = logging.getLogger(__name__)

HOME = "~/.cache/gan_cli"
DIGEST_BYTES = 64
# A file in the making that has not grown for so long is nobody's any more.
LEFTOVER_SECONDS = 24 * 60 * 60

Arrays = Mapping[str, npt.NDArray[Any]]


class DamagedError(Exception):
    """A kept file is not what was written; the message says how."""


class Store:
    """A place for computed files: the data root, or where that cannot be written ``~/.cache/gan_cli``."""

    def __init__(self, root: Path) -> None:
        self._places = tuple(dict.fromkeys((root, Path(HOME).expanduser())))

    def find(self, name: str) -> Iterator[Path]:
        """The files of that name there are, the one in the data root first."""
        for place in self._places:
            with contextlib.suppress(OSError):
                if (place / name).is_file():
                    yield place / name

    def write(self, name: str, content: bytes) -> Path:
        """Write a file, in place of any other of that name; several processes may do so at once.

        Raises:
            OutputError: neither place can be written.
        """
        failure: OSError | None = None
        for place in self._places:
            try:
                _write_whole(place / name, content)
            except OSError as error:
                failure = failure or error
                continue
            if failure is not None:
                reason = failure.strerror or failure
                logger.warning("%s cannot be written (%s): %s is kept in %s", self._places[0], reason, name, place)
            return place / name
        raise OutputError(f"cannot write {name} below {' or '.join(map(str, self._places))}: {failure}") from failure

    def arrays(self, folder: str, key: Mapping[str, Any], compute: Callable[[], Arrays]) -> Arrays:
        """Arrays by name, computed once for a key and then read back; a damaged file is computed again, with a warning.

        Args:
            folder: of the file, below the root.
            key: all that the arrays depend on, as plain values.
            compute: makes them.
        """
        name = f"{folder}/{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]}.npz"
        for path in self.find(name):
            try:
                return unpacked(path.read_bytes())
            except (DamagedError, OSError) as error:
                logger.warning("%s is damaged (%s): it is computed again", path, error)
        arrays = compute()
        self.write(name, packed(arrays))
        return arrays


def packed(arrays: Arrays) -> bytes:
    """Arrays as one file: a checksum, then a NumPy archive."""
    archive = io.BytesIO()
    np.savez(archive, allow_pickle=False, **arrays)
    content = archive.getvalue()
    return hashlib.sha256(content).hexdigest().encode() + content


def unpacked(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays in a file of :func:`packed`; raises :class:`DamagedError` if a byte of it has changed."""
    digest, archive = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(archive).hexdigest().encode() != digest:
        raise DamagedError("its checksum is another than it should be")
    with np.load(io.BytesIO(archive), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def sha256(path: Path) -> str:
    """Checksum of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def remove_leftovers(folder: Path, pattern: str) -> None:
    """Remove what killed processes left of files in the making, once nothing has been written there for a day."""
    for file in folder.glob(pattern):
        with contextlib.suppress(OSError):  # its owner is alive after all, and removes or renames it at this moment
            if time.time() - file.stat().st_mtime > LEFTOVER_SECONDS:
                file.unlink()


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, ".*.part")
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            # A name given before the content is on disk could survive a power failure alone.
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
