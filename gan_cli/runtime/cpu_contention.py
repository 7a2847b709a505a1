"""Other processes on the same cores, which cost a run with several threads far more than their share.

The threads of one operation wait for each other, some of them spinning: where one has lost its core to another
process, the rest burn theirs. Two runs with two threads each on two cores have been ten times slower together than one.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

# How often a run that is alone loses a core is a few dozen times a second; beside others, hundreds to thousands.
MAX_PREEMPTIONS_PER_SECOND = 200.0


@dataclass(frozen=True)
class CpuUsage:
    """Seconds, all from some beginning.

    Attributes:
        wall: on the clock.
        cores: of computing on this process's cores, by whomever.
        own: of that, by this process.
    """

    wall: float
    cores: float
    process: float

    @classmethod
    def now(cls) -> CpuUsage:
        """As the system counts it; no computing where it does not."""
        cores = 0.0
        with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):
            ours = {f"cpu{number}" for number in os.sched_getaffinity(0)}
            lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
            # A core's jiffies: user, nice, system, idle, waiting for a disk, interrupts of two kinds.
            spent = [[int(number) for number in line[1:8]] for line in lines if line[0] in ours]
            cores = sum(sum(core) - core[3] - core[4] for core in spent) / os.sysconf("SC_CLK_TCK")
        return cls(time.perf_counter(), cores, time.process_time())


# When the process began: its imports take long enough to tell what others do meanwhile.
AT_START = CpuUsage.now()


def busy_cores(began: CpuUsage = AT_START) -> int:
    """Cores that others have kept busy since this process began, on average; 0 where the system does not tell."""
    now = CpuUsage.now()
    others = (now.cores - began.cores) - (now.process - began.process)
    return max(0, round(others / max(now.wall - began.wall, 0.1)))


class ContentionDetector:
    """Notices, once, that this process keeps losing its cores."""

    def __init__(self, threads: int) -> None:
        """``threads``: of an operation. One thread waits for no other: it is slower by its share, and that is all."""
        self._open = threads > 1
        self._before = (time.perf_counter(), _preemptions())

    def detected(self) -> bool:
        """Whether that was so since the last question; never a second time."""
        (since, before), now = self._before, (time.perf_counter(), _preemptions())
        self._before = now
        if not self._open or now[1] - before <= MAX_PREEMPTIONS_PER_SECOND * (now[0] - since):
            return False
        self._open = False
        return True


def _preemptions() -> int:
    """How often another process was given a core that this one was not done with."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
