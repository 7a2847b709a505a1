"""The commands, one thin file each, and what they share: exit statuses and ``--version``."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from gan_cli import __version__
from gan_cli.errors import UserError


def leave(command: str, work: Callable[[], int]) -> NoReturn:
    """Run a command and end the process with its status; a user's mistake costs one message, a bug its traceback."""
    threading.excepthook = _quiet_about_files
    # torch's OpenMP reads this when it is loaded. Its threads wait for each other by spinning for milliseconds, which
    # makes a run beside another busy process up to forty times slower; this many turns take microseconds.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        status = work()
        sys.stdout.flush()
    except UserError as error:
        print(f"{command}: {error}", file=sys.stderr)
        status = error.exit_status
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        # The reader of our output has gone (`gan-train --help | head`); the interpreter must not try once more.
        sys.stdout = None
        status = 0
    sys.exit(status)


def version() -> str:
    """What ``--version`` prints."""
    return f"gan_cli {__version__}"


def _quiet_about_files(failure: threading.ExceptHookArgs) -> None:
    """TensorBoard's writer thread hands a full disk on to the caller; its own traceback would only repeat it."""
    if not issubclass(failure.exc_type, OSError):
        threading.__excepthook__(failure)
