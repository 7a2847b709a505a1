"""The end of a command: its exit status, and one line for what went wrong."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import gan_cli.runtime.cpu_contention  # noqa: F401 - its clock has to start before the long imports
from gan_cli.errors import as_user_error
from gan_cli.runtime import keyboard_interrupt, openmp, torchrun


def exit_with_status(command: str, work: Callable[[], int]) -> NoReturn:
    """Run a command and exit with its status; print one message for a user's mistake, a traceback for a bug.

    Args:
        command: its name, for messages.
        work: parses the arguments, does the work and returns the exit status.
    """
    # The process ends anyway: collecting garbage at its exit would take half a second for nothing.
    atexit.register(gc.freeze)
    _prepare_streams()
    openmp.limit_spinning()
    keyboard_interrupt.raise_on_interrupt()
    try:
        status = _status(command, work)
        keyboard_interrupt.leave_on_interrupt()
    except BaseException:
        _flush_output(command, 1)  # before the traceback, which the interpreter prints
        raise
    sys.exit(_flush_output(command, status))


def _prepare_streams() -> None:
    """Let the standard streams take any text, and be closed."""
    # A closed stream (`>&-`) is None here: what would be written to it is dropped.
    devnull = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
    sys.stdout, sys.stderr = sys.stdout or devnull, sys.stderr or devnull
    # Letters that the encoding of the terminal lacks (ASCII in the POSIX locale) are escaped.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _status(command: str, work: Callable[[], int]) -> int:
    """Return the exit status of the work, whose errors are reported in one line each; a bug's error is raised."""
    try:
        return work()
    except BrokenPipeError:
        return 0  # the reader of the output has closed it: `gan-train --help | head`
    except KeyboardInterrupt:
        _complain(command, "interrupted")
        return 130
    except SystemExit as done:  # of argparse, which has printed its message
        if isinstance(done.code, str):
            raise
        return done.code or 0
    except Exception as error:
        user_error = as_user_error(error)
        if user_error is None:
            raise
        if not torchrun.is_nonzero_rank():  # rank 0 prints it
            _complain(command, str(user_error))
        return user_error.exit_status


def _complain(command: str, message: str) -> None:
    # Where stderr cannot be written either, the exit status has to do.
    with contextlib.suppress(OSError):
        print(f"{command}: {message}", file=sys.stderr, flush=True)


def _flush_output(command: str, status: int) -> int:
    """Flush stdout and return the exit status, or 2 where the output cannot be written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _discard_output()
        if not isinstance(error, BrokenPipeError):
            _complain(command, f"cannot write the output: {error.strerror}")
            return 2
    return status


def _discard_output() -> None:
    """Lead stdout to nowhere, so that the interpreter does not flush what is left, and fail, again at its exit."""
    with contextlib.suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
