"""Download one file from the first of several mirrors that serves it complete and correct."""

from __future__ import annotations

import contextlib
import logging
import textwrap
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from tqdm import tqdm

from gan_cli.errors import DataError
from gan_cli.storage.files import replacing_durably

logger = logging.getLogger(__name__)

# Small, as a transfer is observed from chunk to chunk.
CHUNK_BYTES = 2**13


@dataclass(frozen=True)
class TransferLimits:
    """Limits of a transfer, so that each mirror comes to an end, whatever it answers.

    Attributes:
        connect_seconds: for a connection to be made, to each address of a mirror.
        window_seconds: time in which ``window_bytes`` must arrive, of which the first includes the headers and all
            redirections; and the longest silence.
        window_bytes: 131,072 in 30 seconds are 4 kB/s.
    """

    connect_seconds: float = 10.0
    window_seconds: float = 30.0
    window_bytes: int = 2**17


LIMITS = TransferLimits()


def download(
    name: str,
    mirrors: Sequence[str],
    folder: Path,
    check: Callable[[Path], object],
    max_bytes: int,
    limits: TransferLimits | None = None,
) -> Path:
    """Fetch ``name`` from the first mirror that has it, and put it into ``folder``.

    The file gets its name only after it was checked and is safely on disk, so that several processes may fetch it
    at once, and an interrupted download leaves nothing behind under that name.

    pooch transfers the file; its ``retrieve`` would compare the checksum of what was transferred, while mirrors pack
    the same content differently, repeat what fails for good (status 404) after a pause, and leave temporary files
    under names that cannot be told from a user's, and whole ones that others may not read.

    Args:
        name: name of the file, below each mirror's address and in the folder.
        mirrors: addresses of folders, tried in this order.
        folder: where to put the file; made if there is none.
        check: called with the path of what was downloaded; raises ``DataError`` if that is not the right file.
        max_bytes: bytes that the file has at most: a mirror that sends more is left at once.
        limits: how slow a mirror may be; None: :data:`LIMITS`.

    Returns:
        Path of the file.

    Raises:
        DataError: the folder cannot be written, or no mirror gave the file; names the reason for each mirror.
    """
    attempts, made = [], not folder.exists()
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{name}"
        try:
            with replacing_durably(folder / name) as part:
                _fetch(url, part, max_bytes, limits or LIMITS)
                _check(part, check)
        except _MirrorError as error:
            attempts.append(f"{url}: {error}")
        except OSError as error:
            raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
        else:
            return folder / name
    if made:
        with contextlib.suppress(OSError):  # another process may have put a file there
            folder.rmdir()
    raise DataError(f"{name}: no mirror gave it ({'; '.join(attempts) or 'none is configured'}).")


class _MirrorError(Exception):
    """The failure of a mirror, in a few words."""


def _fetch(url: str, part: Path, max_bytes: int, limits: TransferLimits) -> None:
    """Transfer a file in a thread, which is left alone once too little arrives: nothing else ends a read in time.

    A timeout of the network's is one of silence alone, and a mirror may send a byte now and then, in its headers too.
    """
    from pooch import HTTPDownloader  # slow to import, and rarely needed

    logger.info("downloading %s", url)
    # Shown on terminals alone (disable=None). pooch ignores a bar without a total; it sets the real one.
    with (
        tqdm(desc=url.rpartition("/")[2], total=1, unit="B", unit_scale=True, disable=None) as progress,
        part.open("wb") as file,
    ):
        fetch = HTTPDownloader(
            progressbar=progress,
            chunk_size=CHUNK_BYTES,
            timeout=(limits.connect_seconds, limits.window_seconds),
            # Archives must arrive as they are, not compressed once more in transit.
            headers={"Accept-Encoding": "identity"},
        )
        received = _BoundedFile(file, max_bytes)
        transfer = _Transfer(lambda: fetch(url, received, None))
        try:
            transfer.start()
            _wait(transfer, received, limits)
        finally:
            received.cancel()
        if transfer.error is not None:
            _raise_error(transfer.error)


def _wait(transfer: _Transfer, received: _BoundedFile, limits: TransferLimits) -> None:
    before = 0
    while not transfer.ended.wait(limits.window_seconds):
        count = received.count
        if count - before < limits.window_bytes:
            raise _MirrorError(f"sent {count - before:,} bytes in {limits.window_seconds:g} s, which is too slow")
        before = count


def _raise_error(error: BaseException) -> NoReturn:
    # Errors of the network come as OSErrors of requests, without a number; those of the file have one.
    if isinstance(error, (OSError, ValueError)) and getattr(error, "errno", None) is None:  # ValueError: malformed
        raise _MirrorError(_reason(error)) from error
    raise error


class _Transfer(threading.Thread):
    """A transfer in a thread that does not keep the program from ending.

    Attributes:
        ended: set once it has ended, either way.
        error: what it has raised.
    """

    def __init__(self, fetch: Callable[[], object]) -> None:
        super().__init__(name="download", daemon=True)
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self._fetch = fetch

    def run(self) -> None:
        try:
            self._fetch()
        except BaseException as error:  # raised again by the thread that waits
            self.error = error
        finally:
            self.ended.set()


class _BoundedFile:
    """File that takes so many bytes, from the thread of a transfer, until nobody waits for it any longer.

    Attributes:
        count: bytes so far.
    """

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self.count = 0
        self._file = file
        self._max_bytes = max_bytes
        self._cancelled = False

    def write(self, content: bytes) -> None:
        """Append bytes; raise :class:`_MirrorError` where there are too many."""
        if self._cancelled or self.count + len(content) > self._max_bytes:
            raise _MirrorError(f"sent more than the {self._max_bytes:,} bytes that the file has at most")
        self._file.write(content)
        self.count += len(content)

    def flush(self) -> None:
        self._file.flush()

    def cancel(self) -> None:
        """Reject all bytes from now on."""
        self._cancelled = True


def _check(part: Path, check: Callable[[Path], object]) -> None:
    try:
        check(part)
    except DataError as error:
        raise _MirrorError(f"sent a wrong file: {str(error).removeprefix(f'{part}: ')}") from error


def _reason(error: BaseException) -> str:
    """Return why a mirror failed, in a few words: its HTTP status, or the first cause in the chain."""
    response = getattr(error, "response", None)
    if response is not None and 300 <= response.status_code < 400:
        return f"redirects without end (HTTP status {response.status_code})"
    if response is not None:
        return f"HTTP status {response.status_code}"
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return textwrap.shorten(str(text), 120)
