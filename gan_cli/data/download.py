"""Download one file from the first of several mirrors that serves it complete and correct."""

from __future__ import annotations

import contextlib
import logging
import os
import textwrap
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from gan_cli.data.cache import remove_leftovers
from gan_cli.errors import DataError

logger = logging.getLogger(__name__)

# Seconds to connect, and seconds of silence between two chunks of the response.
TIMEOUT = (10.0, 30.0)
CHUNK_BYTES = 2**16


def download(name: str, mirrors: Sequence[str], folder: Path, check: Callable[[Path], object]) -> Path:
    """Fetch ``name`` from the first mirror that has it, and put it into ``folder``.

    The file gets its name only after it was checked and is safely on disk, so that several processes may fetch it
    at once, and an interrupted download leaves nothing behind under that name.

    Args:
        name: name of the file, below each mirror's address and in the folder.
        mirrors: addresses of folders, tried in this order.
        folder: where to put the file; made if there is none.
        check: called with the path of what was downloaded; raises ``DataError`` if that is not the right file.

    Returns:
        Path of the file.

    Raises:
        DataError: the folder cannot be written, or no mirror gave the file; names the reason for each mirror.
    """
    part = folder / f".{name}.{uuid.uuid4().hex}.part"
    attempts = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder, ".*.part")
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{name}"
            problem = _attempt(url, part, check)
            if problem is None:
                return part.replace(folder / name)
            attempts.append(f"\n  {url}: {problem}")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    raise DataError(f"{name}: no mirror gave it." + ("".join(attempts) or " None is configured."))


def _attempt(url: str, part: Path, check: Callable[[Path], object]) -> str | None:
    """Download and check; return the mirror's failure in a few words, or None. An ``OSError`` is a local failure."""
    logger.info("downloading %s", url)
    with part.open("wb") as file:
        problem = _fetch(url, _Sink(file.write))
        if problem is not None:
            return problem
        file.flush()
        # Renamed before the content is on disk, the file could be empty after a power failure.
        os.fsync(file.fileno())
    try:
        check(part)
    except DataError as error:
        return f"sent a wrong file: {str(error).removeprefix(f'{part}: ')}"
    return None


def _fetch(url: str, sink: _Sink) -> str | None:
    from pooch import HTTPDownloader  # slow to import, and rarely needed

    # Shown on terminals alone (disable=None). pooch ignores a bar without a total; it sets the real one.
    with tqdm(desc=url.rpartition("/")[2], total=1, unit="B", unit_scale=True, disable=None) as progress:
        fetch = HTTPDownloader(
            progressbar=progress,
            chunk_size=CHUNK_BYTES,
            timeout=TIMEOUT,
            # Archives must arrive as they are, not compressed once more in transit.
            headers={"Accept-Encoding": "identity"},
        )
        try:
            fetch(url, sink, None)
        except (OSError, ValueError) as error:  # what requests raises is an OSError; ValueError: a malformed answer
            if sink.failure is not None:
                raise sink.failure from None
            return _reason(error)
    return None


class _Sink:
    """File object that a downloader writes to; tells local write errors from network errors, which are OSError too."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        self._write = write
        self.failure: OSError | None = None

    def write(self, data: bytes) -> None:
        """Write a chunk, and remember a failure."""
        try:
            self._write(data)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        """Ignore the downloader's flush after every chunk; the file is flushed once, at its end."""


def _reason(error: BaseException) -> str:
    """Return why a mirror failed, in a few words: its HTTP status, or the first cause in the chain."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return textwrap.shorten(str(text), 120)
