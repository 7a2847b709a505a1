"""Files that a full disk leaves whole, and what comes of those that cannot be written. Imports no torch."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from gan_cli.errors import OutputError

logger = logging.getLogger(__name__)


class AppendOnlyFile:
    """A file that grows by whole pieces: of one that does not fit, nothing stays behind.

    Nothing is kept back in memory, so that a process that is killed has written all it wrote.
    """

    def __init__(self, path: Path) -> None:
        """Open a file at its end, or begin one; raises ``OSError``."""
        self._file = path.open("ab", buffering=0)
        self._whole = self._file.seek(0, os.SEEK_END)
        self._torn = False

    def write(self, piece: bytes) -> None:
        """Append a piece; raises ``OSError``, and then the file ends where it did before."""
        if self._torn:
            self._cut()
        left = memoryview(piece)
        try:
            while left:  # a disk may have room for the first part alone
                left = left[self._file.write(left) :]
        except OSError:
            self._torn = True
            with contextlib.suppress(OSError):  # else before the next piece
                self._cut()
            raise
        self._whole += len(piece)

    def fsync(self) -> None:
        """Make what was written last through a power cut; waits for the disk, and raises ``OSError``."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cut(self) -> None:
        self._file.truncate(self._whole)
        self._torn = False


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place at the end, or vanishes on an error."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # left behind by a process that was killed
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        # On a file system that has failed as a whole, the first error is the one to tell.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file, or leave the one of that name as it is; raises ``OSError``."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


class WriteErrorHandler:
    """What comes of files that cannot be written, as ``train.on_write_error`` says.

    With ``go_on`` each kind of file is warned of once, and once more when it could be written again.
    """

    def __init__(self, policy: OnWriteError) -> None:
        self._policy = policy
        self._missing: set[str] = set()
        self._deferred_error: OutputError | None = None

    @contextlib.contextmanager
    def writing(self, kind: str, path: Path) -> Iterator[None]:
        """Write a file of a kind inside.

        Raises:
            OutputError: that failed, and the run is to stop.
        """
        try:
            yield
        except (OSError, OutputError) as error:
            told = error if isinstance(error, OutputError) else _output_error(path, error)
            if self._policy is OnWriteError.stop:
                raise told from error
            self._warn(kind, told)
        else:
            self._log_recovery(kind)

    @contextlib.contextmanager
    def deferring(self, kind: str, path: Path) -> Iterator[None]:
        """The same, but raising nothing here: :meth:`check` does."""
        try:
            with self.writing(kind, path):
                yield
        except OutputError as error:
            self._deferred_error = self._deferred_error or error

    def check(self) -> None:
        """Raise the ``OutputError`` that was deferred, if there is one."""
        if self._deferred_error is not None:
            kept, self._deferred_error = self._deferred_error, None
            raise kept

    def _warn(self, kind: str, error: OutputError) -> None:
        if kind not in self._missing:
            self._missing.add(kind)  # before the warning: it may be about the very file that warnings go to
            logger.warning("%s: the run goes on without it (train.on_write_error=go_on)", error)

    def _log_recovery(self, kind: str) -> None:
        if kind in self._missing:
            self._missing.remove(kind)
            logger.info("%s: can be written again", kind)


def _output_error(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror or error}")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write below ``path`` into one clear message."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


class OnWriteError(Enum):
    """What a file that cannot be written, for a full disk say, leads to."""

    stop = "stop"
    go_on = "go_on"
