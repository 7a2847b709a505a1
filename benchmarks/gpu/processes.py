"""Processes with a limit, which end with all that they started. Imports no torch."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Exit status of a process that was ended at its limit, as of timeout(1).
AT_LIMIT = 124


@dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Attributes:
        status: its exit status; negative: the signal that killed it; :data:`AT_LIMIT`: it took too long.
        seconds: how long it ran.
    """

    status: int
    seconds: float

    @property
    def text(self) -> str:
        """The status in words."""
        if self.status == AT_LIMIT:
            return "ended at its limit"
        return "done" if self.status == 0 else f"exit status {self.status}"


def run(
    command: Sequence[str],
    limit: float,
    log: Path,
    environment: Mapping[str, str] | None = None,
    *,
    own_group: bool = True,
) -> Ended:
    """Run a command, and kill it at the limit, in seconds, or when this call ends otherwise.

    Args:
        command: and its arguments.
        limit: seconds at most.
        log: what it prints is appended there.
        environment: of the process; None: that of this one.
        own_group: whether what it has started is killed with it; if not, that happens when this process is killed so.
    """
    start = time.monotonic()
    with log.open("a") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=own_group)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = AT_LIMIT
        finally:
            with contextlib.suppress(ProcessLookupError):
                if own_group:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
            process.wait()
    return Ended(status, time.monotonic() - start)
