"""Other processes on the same cores, which cost a run with several threads far more than their share.

The threads of one operation wait for each other, some of them spinning: where one has lost its core to another
process, the rest burn theirs. Two runs with two threads each on two cores have been ten times slower together than one.
"""

from __future__ import annotations

import contextlib
import resource
import statistics
import time
from pathlib import Path

# How often a run that is alone loses a core is a few dozen times a second; beside others, hundreds to thousands.
MOST_LOSSES = 200.0
GLANCES, BETWEEN = 9, 0.01


def busy_cores() -> int:
    """Cores that others keep busy at the moment; 0 where the system does not tell."""
    running = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        for _ in range(GLANCES):
            # "0.20 0.18 0.12 3/80 11206": three are running, and one of them is this thread.
            running.append(int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0]))
            time.sleep(BETWEEN)
    return max(0, int(statistics.median(running)) - 1) if running else 0


class Contention:
    """Notices, once, that this process keeps losing its cores."""

    def __init__(self, threads: int) -> None:
        """``threads``: of an operation. One thread waits for no other: it is slower by its share, and that is all."""
        self._open = threads > 1
        self._before = (time.perf_counter(), _losses())

    def noticed(self) -> bool:
        """Whether that was so since the last question; never a second time."""
        (since, before), now = self._before, (time.perf_counter(), _losses())
        self._before = now
        if not self._open or now[1] - before <= MOST_LOSSES * (now[0] - since):
            return False
        self._open = False
        return True


def _losses() -> int:
    """How often another process was given a core that this one was not done with."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
