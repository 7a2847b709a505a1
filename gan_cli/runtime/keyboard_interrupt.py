"""Ctrl-C while modules are imported, from the first moment of a command on. Imports next to nothing."""

from __future__ import annotations

import os
import signal
from types import FrameType


def leave_on_interrupt() -> None:
    """Let Ctrl-C end this process at once: there is nothing to clean up yet, or no more.

    Where SIGINT is ignored, or handled by others, it stays so.
    """
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, raise_or_leave):
        signal.signal(signal.SIGINT, leave)


def raise_on_interrupt() -> None:
    """Let Ctrl-C raise ``KeyboardInterrupt``, but inside an import end this process at once.

    There a ``KeyboardInterrupt`` can be lost or turned into another error by the module that it strikes, and most of
    the time of a short command goes into imports.
    """
    if signal.getsignal(signal.SIGINT) is leave:
        signal.signal(signal.SIGINT, raise_or_leave)


def leave(number: int, frame: FrameType | None) -> None:
    """End this process as the handler of a signal."""
    os._exit(128 + number)


def raise_or_leave(number: int, frame: FrameType | None) -> None:
    """Handle SIGINT as described at :func:`raise_on_interrupt`."""
    if _imports(frame):
        leave(number, frame)
    signal.default_int_handler(number, frame)


def _imports(frame: FrameType | None) -> bool:
    """Return whether a frame or one that called it belongs to the import system."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
