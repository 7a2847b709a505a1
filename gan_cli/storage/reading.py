"""Opening of files that anybody may have put in place: regular files alone, never waited for, of bounded length.

Everything that is read from a run, a cache, a store or a user's path is opened here. A FIFO or a device in the place of
a file would be waited for without end, and a sparse file of gigabytes would fill the memory. Imports no torch.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

KIB = 2**10
MIB = 2**20
# Limits by kind of file, far above what a run writes.
MAX_JSON_BYTES = 4 * MIB  # summary.json, evaluation.json, tags.json; parsed, they take forty times as much
MAX_RECORDS_BYTES = 1024 * MIB  # metrics.jsonl, read line by line; a line of it has a thousand bytes
MAX_LINE_BYTES = 4 * MIB
MAX_LINES = 5_000_000


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, without waiting for one that is none.

    Raises:
        OSError: it cannot be opened, or is a folder, a FIFO, a socket or a device.
    """
    # Windows has neither FIFOs in folders nor this flag, but translates line ends without the other one.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    with _named(path):
        descriptor = os.open(path, flags)
    try:
        require_regular(descriptor, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def open_for_writing(path: Path, flags: int = os.O_CREAT) -> BinaryIO:
    """Open a regular file without a buffer, to read and to write; nothing is waited for.

    Args:
        path: of the file.
        flags: more of those of ``os.open``: whether the file is made where there is none, and whether writes append.

    Raises:
        OSError: it cannot be opened, or is a folder, a FIFO, a socket or a device.
    """
    # Windows has no FIFOs to wait for, but line ends that it would translate.
    flags |= os.O_RDWR | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

    def opened(name: str, mode: int) -> int:
        return os.open(name, flags, 0o666)

    with _named(path):
        file = open(path, "r+b", buffering=0, opener=opened)  # noqa: SIM115 - the caller closes it
    try:
        require_regular(file.fileno(), path)
    except BaseException:
        file.close()
        raise
    return file


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Raise ``OSError`` for a name that no file can have: Python raises ``ValueError``, as for what is in a file."""
    try:
        yield
    except ValueError as error:  # a null character, or letters that the file system's encoding lacks
        raise OSError(errno.EINVAL, "no name that a file can have", str(path)) from error


def require_regular(descriptor: int, path: Path) -> None:
    """Raise ``OSError`` unless an open file descriptor, that of ``path``, is of a regular file."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a whole file of at most ``limit`` bytes.

    Raises:
        OSError: it cannot be read, is no regular file, or is longer.
    """
    with open_regular(path) as file:
        # The length is asked first: to read up to the limit, the memory for it would be needed.
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise too_long(path, limit)
        content = file.read(size + 1)
        if len(content) > size:  # a file can grow meanwhile, and those of /proc have no length
            content += file.read(limit + 1 - len(content))
    if len(content) > limit:
        raise too_long(path, limit)
    return content


def read_text(path: Path, limit: int, errors: str = "strict") -> str:
    """Read a whole UTF-8 file of at most ``limit`` bytes.

    Args:
        path: of the file.
        limit: its greatest length in bytes.
        errors: treatment of bytes that are not UTF-8, as in ``bytes.decode``.

    Raises:
        OSError: it cannot be read, is no regular file, or is longer.
        UnicodeDecodeError: it is not UTF-8, and ``errors`` is ``"strict"``.
    """
    return read_bytes(path, limit).decode("utf-8", errors)


def read_lines(path: Path, limit: int = MAX_RECORDS_BYTES, max_line: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """Yield the lines of a file one at a time, without their ends.

    Args:
        path: of the file.
        limit: its greatest length in bytes.
        max_line: greatest length of a line in bytes.

    Raises:
        OSError: it cannot be read, is no regular file, it or one of its lines is longer, or it has too many lines.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > limit:
            raise too_long(path, limit)
        for _ in range(MAX_LINES):
            line = file.readline(max_line + 1)
            if not line:
                return
            if len(line) > max_line:
                raise OSError(errno.EFBIG, f"has a line of more than {max_line:,} bytes", str(path))
            yield line.rstrip(b"\r\n")
    raise OSError(errno.EFBIG, f"has more than {MAX_LINES:,} lines", str(path))


def too_long(path: Path, limit: int) -> OSError:
    """Return the error for a file that is longer than ``limit`` bytes."""
    return OSError(errno.EFBIG, f"longer than {limit:,} bytes", str(path))
