"""Processes that end with the one that started them, whatever ended that: SIGKILL, a crash. Imports no torch."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

# In the environment of a process's children: whose end is theirs.
PARENT = "GAN_PARENT_PROCESS"
WATCHER = "parent watch"
INTERVAL_SECONDS = 0.25
# From SIGTERM on, at which a run saves a checkpoint, to the end without one.
GRACE_SECONDS = 4.0


@contextlib.contextmanager
def children_end_with_this_process() -> Iterator[None]:
    """Let children that are started in the block, and call :func:`end_with_parent`, end with this process."""
    before = os.environ.get(PARENT)
    os.environ[PARENT] = str(os.getpid())
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(PARENT, None)
        else:
            os.environ[PARENT] = before


def end_with_parent() -> None:
    """Watch the parent of this process, and end with it, if it wants that; may be called repeatedly.

    A parent wants it by :func:`children_end_with_this_process`. Its end is seen by another process being the parent
    then, which holds on Linux and on macOS; Windows keeps the number of a parent that has ended, and has no such watch.
    The process gets SIGTERM first, and some seconds later ends without any clean-up.
    """
    parent = os.environ.get(PARENT, "")
    if os.name != "posix" or parent != str(os.getppid()) or any(each.name == WATCHER for each in threading.enumerate()):
        return
    threading.Thread(target=_watch, args=(int(parent),), name=WATCHER, daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(INTERVAL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(128 + signal.SIGTERM)
