"""The commands, one thin file each, and what they share: exit statuses and ``--version``."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import gan_cli.runtime.cpu_contention  # noqa: F401 - its clock is to start before the long imports
from gan_cli import __version__
from gan_cli.errors import UserError, as_user_error, shown
from gan_cli.runtime import torchrun


def leave(command: str, work: Callable[[], int]) -> NoReturn:
    """Run a command and end the process with its status; a user's mistake costs one message, a bug its traceback."""
    # What is left at the end goes with the process: nothing is gained by half a second's search for garbage in it.
    atexit.register(gc.freeze)
    # A closed stream (`>&-`) is None here: what would be written to it is lost, and that is all.
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
    sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    # torch's OpenMP reads this when it is loaded. Its threads wait for each other by spinning for milliseconds, which
    # makes a run beside another busy process twenty times slower. So many turns take some 100 microseconds: most waits
    # are over by then, so a run that is alone loses nothing that could be measured.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    try:
        status = work()
    except (UserError, MemoryError, RuntimeError) as error:
        told = as_user_error(error)
        if told is None:
            raise
        if not torchrun.follows():  # the first process has said it
            print(f"{command}: {told}", file=sys.stderr)
        status = told.exit_status
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        status = 0  # the reader of our output has gone: `gan-train --help | head`
    except OSError as error:
        # Python's questions after a path answer no where it is missing, and raise where its name cannot be one.
        if error.errno != errno.ENAMETOOLONG:
            raise
        print(f"{command}: {shown(error.filename)} is longer than a name can be", file=sys.stderr)
        status = 2
    sys.exit(_flushed(command, status))


def _flushed(command: str, status: int) -> int:
    """Hand the last of the output over; the exit status, changed where that fails."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Without a stream the interpreter does not try, and fail, once more at its end.
        sys.stdout = None
        if not isinstance(error, BrokenPipeError):
            print(f"{command}: cannot write the output: {error.strerror}", file=sys.stderr)
            return 2
    return status


def version() -> str:
    """What ``--version`` prints."""
    return f"gan_cli {__version__}"
