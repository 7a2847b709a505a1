"""CPU contention: other processes on the same cores slow a run with several threads far more than their share.

The threads of one operation wait for each other, some of them spinning: where one has lost its core to another
process, the others waste theirs. Two runs with two threads each on two cores can be ten times slower than one alone.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

# Seconds over which the load of others is averaged while a run is under way.
WINDOW = 5.0


@dataclass(frozen=True)
class CpuUsage:
    """CPU time in seconds, counted from an arbitrary start; only differences have a meaning.

    Attributes:
        wall: wall-clock time.
        cores: time that this process's cores were busy, for any process.
        process: the part of it that was spent on this process.
    """

    wall: float
    cores: float
    process: float

    @classmethod
    def now(cls) -> CpuUsage:
        """Read the present counts from the system; ``cores`` is 0 where the system has no ``/proc/stat``."""
        cores = 0.0
        with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):
            affinity = {f"cpu{number}" for number in os.sched_getaffinity(0)}
            lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
            # A core's jiffies: user, nice, system, idle, iowait, irq, softirq.
            jiffies = [[int(number) for number in line[1:8]] for line in lines if line[0] in affinity]
            cores = sum(sum(core) - core[3] - core[4] for core in jiffies) / os.sysconf("SC_CLK_TCK")
        return cls(time.perf_counter(), cores, time.process_time())


# At the start of the process: its imports take long enough to measure the load of others meanwhile.
AT_START = CpuUsage.now()


def busy_cores(start: CpuUsage = AT_START) -> int:
    """Return how many cores other processes have kept busy since ``start``, on average; 0 where that is unknown."""
    now = CpuUsage.now()
    others = (now.cores - start.cores) - (now.process - start.process)
    return max(0, round(others / max(now.wall - start.wall, 0.1)))


def own_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def idle_threads(most: int, busy: int) -> int:
    """Return how many of at most ``most`` threads find an idle core beside ``busy`` cores; one in any case."""
    return max(1, min(most, own_cores() - busy))


class ContentionMonitor:
    """Suggests, from time to time, with how many threads a run should compute beside other processes."""

    def __init__(self, most: int) -> None:
        """``most`` is the number of threads without others."""
        self._most = most
        self._start = CpuUsage.now()
        self._latest: int | None = None

    def suggestion(self) -> int | None:
        """Return the number of threads that suits the load of the last two windows; None where they differ, or between.

        One window alone may have seen a process that is soon over.
        """
        if self._most == 1 or time.perf_counter() - self._start.wall < WINDOW:
            return None
        before, self._latest = self._latest, idle_threads(self._most, busy_cores(self._start))
        self._start = CpuUsage.now()
        return self._latest if self._latest == before else None
