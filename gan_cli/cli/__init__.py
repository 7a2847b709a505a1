"""Commands, one thin module each, and what they share: exit statuses and ``--version``."""

from __future__ import annotations

import argparse
import atexit
import errno
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import gan_cli.runtime.cpu_contention  # noqa: F401 - its clock has to start before the long imports
from gan_cli import __version__
from gan_cli.errors import UserError, as_user_error, truncated_repr
from gan_cli.runtime import torchrun

# torch's OpenMP reads them when it is loaded. Its threads wait for each other by spinning for milliseconds, which makes
# a run beside another busy process twenty times slower. 3,000 iterations take some 100 microseconds: most waits are
# over by then, so that a run that has the machine to itself loses little.
OPENMP_SETTINGS = {"GOMP_SPINCOUNT": "3000"}


def exit_with_status(command: str, work: Callable[[], int]) -> NoReturn:
    """Run a command and exit with its status; print one message for a user's mistake, a traceback for a bug.

    Args:
        command: its name, for messages.
        work: does the work and returns the exit status.
    """
    # The process ends anyway: collecting garbage at its exit would take half a second for nothing.
    atexit.register(gc.freeze)
    # A closed stream (`>&-`) is None here: what would be written to it is dropped.
    devnull = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
    sys.stdout, sys.stderr = sys.stdout or devnull, sys.stderr or devnull
    for name, value in OPENMP_SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        status = work()
    except (UserError, MemoryError, RuntimeError) as error:
        user_error = as_user_error(error)
        if user_error is None:
            raise
        if not torchrun.is_nonzero_rank():  # rank 0 prints it
            print(f"{command}: {user_error}", file=sys.stderr)
        status = user_error.exit_status
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        status = 0  # the reader of the output has closed it: `gan-train --help | head`
    except OSError as error:
        # Path.exists() and its like return False for a missing path, but raise for a name that is too long.
        if error.errno != errno.ENAMETOOLONG:
            raise
        print(f"{command}: {truncated_repr(error.filename)} is longer than a name can be", file=sys.stderr)
        status = 2
    sys.exit(_flush_output(command, status))


def _flush_output(command: str, status: int) -> int:
    """Flush stdout and return the exit status, or 2 where the output cannot be written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # So that the interpreter does not flush, and fail, again at its exit.
        sys.stdout = None
        if not isinstance(error, BrokenPipeError):
            print(f"{command}: cannot write the output: {error.strerror}", file=sys.stderr)
            return 2
    return status


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``, the device that the networks of a finished run compute on."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        default="auto",
        help="what networks compute on; a seed's random numbers are the same on each, results differ by rounding"
        " [auto: a GPU where there is one]",
    )


def version() -> str:
    """Return the line that ``--version`` prints."""
    return f"gan_cli {__version__}"
