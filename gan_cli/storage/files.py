"""Atomic and append-only files, and the handling of files that cannot be written. Imports no torch."""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import time
import uuid
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import IO, Any

from gan_cli.errors import OutputError
from gan_cli.storage.reading import open_for_writing

logger = logging.getLogger(__name__)

# A temporary file that has not grown for this long was left behind by a process that was killed.
LEFTOVER_SECONDS = 24 * 60 * 60


class AppendOnlyFile:
    """A file to which records are appended completely or not at all, also on a full disk.

    Writes are unbuffered, so that all of them survive a process that is killed.
    """

    def __init__(self, path: Path) -> None:
        """Open a file at its end, or create it; raises ``OSError``, also for what is not a regular file."""
        self._file = open_for_writing(path, os.O_CREAT | os.O_APPEND)
        self._size = self._file.seek(0, os.SEEK_END)
        self._torn = False

    def write(self, record: bytes) -> None:
        """Append a record; raises ``OSError``, and then the file ends where it did before."""
        if self._torn:
            self._cut()
        remaining = memoryview(record)
        try:
            while remaining:  # a disk may have room for the first part alone
                remaining = remaining[self._file.write(remaining) :]
        except OSError:
            self._torn = True
            with contextlib.suppress(OSError):  # tried again before the next record
                self._cut()
            raise
        self._size += len(record)

    def fsync(self) -> None:
        """Make what was written durable across a power cut; waits for the disk, and raises ``OSError``."""
        fsync(self._file)

    def close(self) -> None:
        self._file.close()

    def _cut(self) -> None:
        self._file.truncate(self._size)
        self._torn = False


# Of a file system that cannot flush: CIFS, gocryptfs and WSL cannot for folders.
FLUSH_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


def fsync(file: IO[Any]) -> None:
    """Flush an open file to the disk: renamed before that, it could be empty after a power failure."""
    file.flush()
    _fsync(file.fileno(), "file")


def fsync_folder(folder: Path) -> None:
    """Make the renames in a folder durable across a power cut; raises ``OSError``."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError as error:  # Windows opens no folder, and one may be writable without being readable
        _warn_of_missing_flush("folder", str(error.strerror))
        return
    try:
        _fsync(descriptor, "folder")
    finally:
        os.close(descriptor)


def _fsync(descriptor: int, kind: str) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in FLUSH_UNSUPPORTED:
            raise
        _warn_of_missing_flush(kind, str(error.strerror))


@functools.cache
def _warn_of_missing_flush(kind: str, reason: str) -> None:
    logger.warning(
        "this file system cannot flush a %s to the disk (%s): what was written last may be lost in a power failure",
        kind,
        reason,
    )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it at the end of the block, or is deleted on an error."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # left behind by a process that was killed
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        # On a file system that has failed as a whole, the first error is the one to report.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def replacing_durably(path: Path) -> Iterator[Path]:
    """Yield a temporary path, this process's own, whose file replaces ``path`` at the end of the block, safely on disk.

    Unlike :func:`replacing`, for folders in which several processes may write the same file at once. The folder is
    made if there is none. Raises ``OSError``; on any error the temporary file is deleted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield part
        with part.open("rb") as file:
            fsync(file)
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files that killed processes left, once nothing has been written to them for a day."""
    for file in folder.glob(".*.part"):
        with contextlib.suppress(OSError):  # its owner is alive after all, and removes or renames it at this moment
            if time.time() - file.stat().st_mtime > LEFTOVER_SECONDS:
                file.unlink()


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file completely, or leave the one of that name as it is; raises ``OSError``."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


class WriteErrorHandler:
    """Handles files that cannot be written, as ``train.on_write_error`` says: it raises, or warns and continues.

    With ``go_on`` there is one warning for each kind of file, and a log line when it can be written again.
    """

    def __init__(self, policy: OnWriteError) -> None:
        self._policy = policy
        self._missing: set[str] = set()
        self._deferred_error: OutputError | None = None

    @contextlib.contextmanager
    def writing(self, kind: str, path: Path) -> Iterator[None]:
        """Handle errors of the block, which writes a file of a kind.

        Raises:
            OutputError: the write failed, and the policy is to stop.
        """
        try:
            yield
        except (OSError, OutputError) as error:
            output_error = error if isinstance(error, OutputError) else _output_error(path, error)
            if self._policy is OnWriteError.stop:
                raise output_error from error
            self._warn(kind, output_error)
        else:
            self._log_recovery(kind)

    @contextlib.contextmanager
    def deferring(self, kind: str, path: Path) -> Iterator[None]:
        """Handle errors as :meth:`writing` does, but raise none here: :meth:`check` raises the first one."""
        try:
            with self.writing(kind, path):
                yield
        except OutputError as error:
            self._deferred_error = self._deferred_error or error

    def check(self) -> None:
        """Raise the ``OutputError`` that was deferred, if there is one."""
        if self._deferred_error is not None:
            error, self._deferred_error = self._deferred_error, None
            raise error

    def _warn(self, kind: str, error: OutputError) -> None:
        if kind not in self._missing:
            self._missing.add(kind)  # before the warning: it may be about the very file that warnings go to
            logger.warning("%s: the run continues without it (train.on_write_error=go_on)", error)

    def _log_recovery(self, kind: str) -> None:
        if kind in self._missing:
            self._missing.remove(kind)
            logger.info("%s: can be written again", kind)


def _output_error(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror or error}")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the block, which writes below ``path``, into an ``OutputError`` of one line."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


class OnWriteError(Enum):
    """Policy for files that cannot be written, on a full disk for example: end the run, or continue without them."""

    stop = "stop"
    go_on = "go_on"
