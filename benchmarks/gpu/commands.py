"""Commands of gan_cli in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.gpu.processes import AT_LIMIT

LIMIT = 120.0


@dataclass(frozen=True)
class Done:
    """A command that has ended.

    Attributes:
        status: its exit status.
        stderr: what it wrote there.
        seconds: how long it took.
    """

    status: int
    stderr: str
    seconds: float

    @property
    def last_line(self) -> str:
        """The last line of what it wrote, cut off."""
        return (self.stderr.strip().splitlines() or [""])[-1][:200]


def call(module: str, *arguments: str) -> Done:
    """Run a command by the name of its module below ``gan_cli.cli``; it is killed where it takes too long."""
    start = time.monotonic()
    command = [sys.executable, "-m", f"gan_cli.cli.{module}", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return Done(AT_LIMIT, f"took longer than {LIMIT:g} s", LIMIT)
    return Done(done.returncode, done.stderr, round(time.monotonic() - start, 2))
