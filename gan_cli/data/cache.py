"""Cache of computed files below the data root; every file is written atomically."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_cli.errors import OutputError
from gan_cli.storage.files import replacing_durably

logger = logging.getLogger(__name__)

DEFAULT_ROOT = "~/.cache/gan_cli"
DIGEST_BYTES = 64

Arrays = Mapping[str, npt.NDArray[Any]]


class DamagedError(Exception):
    """A cached file differs from what was written; the message says how."""


class Store:
    """Cache directory: the data root, or ``~/.cache/gan_cli`` where the root cannot be written."""

    def __init__(self, root: Path) -> None:
        self._places = tuple(dict.fromkeys((root, Path(DEFAULT_ROOT).expanduser())))

    def find(self, name: str) -> Iterator[Path]:
        """Yield the existing files of that name, the one in the data root first."""
        for place in self._places:
            with contextlib.suppress(OSError):
                if (place / name).is_file():
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
                logger.warning("%s cannot be written (%s): %s is kept in %s", self._places[0], reason, name, place)
            return place / name
        raise OutputError(f"cannot write {name} below {' or '.join(map(str, self._places))}: {failure}") from failure

    def load_or_compute(self, folder: str, key: Mapping[str, Any], compute: Callable[[], Arrays]) -> Arrays:
        """Return arrays by name, read back or else computed and stored; a damaged file is recomputed, with a warning.

        Args:
            folder: folder of the file, below the root.
            key: all that the arrays depend on, as plain values.
            compute: called where no intact file exists.
        """
        name = f"{folder}/{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]}.npz"
        for path in self.find(name):
            try:
                return deserialize_arrays(path.read_bytes())
            except (DamagedError, OSError) as error:
                logger.warning("%s is damaged (%s): it is computed again", path, error)
        arrays = compute()
        self.write(name, serialize_arrays(arrays))
        return arrays


def serialize_arrays(arrays: Arrays) -> bytes:
    """Return arrays as the content of one file: a checksum, then a NumPy archive."""
    archive = io.BytesIO()
    np.savez(archive, allow_pickle=False, **arrays)
    content = archive.getvalue()
    return hashlib.sha256(content).hexdigest().encode() + content


def deserialize_arrays(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays in a file of :func:`serialize_arrays`; raise :class:`DamagedError` if a byte has changed."""
    digest, archive = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(archive).hexdigest().encode() != digest:
        raise DamagedError("its checksum is another than it should be")
    with np.load(io.BytesIO(archive), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def sha256(path: Path) -> str:
    """Return the SHA-256 checksum of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
