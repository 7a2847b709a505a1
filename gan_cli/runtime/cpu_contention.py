"""CPU contention: other processes on the same cores slow a run with several threads far more than their share.

The threads of one operation wait for each other, some of them spinning: where one has lost its core to another
process, the others waste theirs. Two runs with two threads each on two cores can be ten times slower than one alone.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

# A run that is alone is preempted a few dozen times a second; beside others, hundreds to thousands of times.
MAX_PREEMPTIONS_PER_SECOND = 200.0


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


class ContentionDetector:
    """Detects, once, that this process keeps losing its cores to others."""

    def __init__(self, threads: int) -> None:
        """``threads`` of an operation; a single thread waits for no other, so with one nothing is ever detected."""
        self._armed = threads > 1
        self._before = (time.perf_counter(), _preemptions())

    def detected(self) -> bool:
        """Return whether the process was preempted too often since the last call; True at most once."""
        (since, before), now = self._before, (time.perf_counter(), _preemptions())
        self._before = now
        if not self._armed or now[1] - before <= MAX_PREEMPTIONS_PER_SECOND * (now[0] - since):
            return False
        self._armed = False
        return True


def _preemptions() -> int:
    """Return the number of involuntary context switches of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
