"""Exclusive locks on files, which the system releases when the process that holds them ends. Imports no torch."""

from __future__ import annotations

import errno
import functools
import logging
import time
import warnings
from pathlib import Path
from typing import BinaryIO

from gan_cli.storage.reading import open_for_writing, open_regular

logger = logging.getLogger(__name__)

# Of a file system without locks (Lustre mounted without flock, some network shares), or a system without them.
LOCKS_UNSUPPORTED = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})
# Seconds to wait for a process that holds the lock only to see whether it is free (is_held).
PROBE_SECONDS = 0.05


def try_lock(path: Path) -> BinaryIO | None:
    """Lock a file, which is made where there is none; None where another process holds the lock.

    Where the file system does not support locks, a warning says so once, and the file counts as locked.

    Returns:
        The open file; the lock is released when it is closed.

    Raises:
        OSError: the file cannot be opened, or is not a regular file.
    """
    file = open_for_writing(path)
    try:
        locked = _lock_unless_held(file)
    except OSError as error:
        if error.errno in LOCKS_UNSUPPORTED:
            _warn_once(path.parent, error.strerror)
            return file
        file.close()
        raise
    if not locked:
        file.close()
    return file if locked else None


def lock(path: Path) -> BinaryIO:
    """Lock a file like :func:`try_lock`, but wait for the process that holds the lock."""
    while (file := try_lock(path)) is None:
        time.sleep(PROBE_SECONDS)
    return file


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock of a file; False where there is no such file, or no support for locks."""
    try:
        with _open_existing(path) as file:
            return not _lock_unless_held(file)
    except OSError:
        return False


def _open_existing(path: Path) -> BinaryIO:
    try:
        return open_for_writing(path, flags=0)  # network file systems lock no file that is open only for reading
    except OSError:
        return open_regular(path)


def _lock_unless_held(file: BinaryIO) -> bool:
    """Lock an open file, and return False where another process keeps it locked; raises ``OSError``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the system has no locks is said where one is wanted
        from filelock import lock_descriptor  # here: it takes as long as all else that --help needs
    if lock_descriptor(file.fileno(), blocking=False):
        return True
    time.sleep(PROBE_SECONDS)
    return lock_descriptor(file.fileno(), blocking=False)


@functools.cache
def _warn_once(folder: Path, reason: str) -> None:
    logger.warning(
        "%s: this file system does not support locks (%s): nothing stops a second process from writing here",
        folder,
        reason,
    )
