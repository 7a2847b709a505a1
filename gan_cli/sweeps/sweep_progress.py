"""Number of jobs of a sweep, and the time left, read from its directory by any process. Imports no torch."""

from __future__ import annotations

import time
from dataclasses import dataclass

from gan_cli.sweeps.command import COMMAND_FILE, Command
from gan_cli.sweeps.job_registry import JobRegistry
from gan_cli.sweeps.job_status import JobState, job_status
from gan_cli.telemetry.quantities import format_duration

UNENDED = (JobState.absent, JobState.started)


@dataclass(frozen=True)
class SweepProgress:
    """Number of jobs of a sweep, and the time until all have ended.

    Attributes:
        jobs: their number in all; None where the sweeper decides on it as it goes.
        seconds_left: estimated from the jobs that have ended since the sweep began or was continued; None before the
            first of them.
    """

    jobs: int | None
    seconds_left: float | None

    @classmethod
    def read(cls, registry: JobRegistry) -> SweepProgress:
        """Return the progress of the sweep of a registry; raises ``ConfigError`` as the registry does.

        The time between two ends of jobs is taken, so that it does not matter how many run at once.
        """
        jobs = Command.stored(registry.sweep).jobs
        began = (registry.folder / COMMAND_FILE).stat().st_mtime  # written when the sweep began, and when it continued
        ends = [
            max(run.summary.stat().st_mtime for run in status.runs)
            for status in (job_status(entry.path) for entry in registry.entries())
            if status.state not in UNENDED
        ]
        recent = sum(end >= began for end in ends)
        if jobs is None or not recent:
            return cls(jobs, None)
        return cls(jobs, (time.time() - began) / recent * max(0, jobs - len(ends)))

    def place(self, number: int) -> str:
        """Return the place of job ``number``, counted from 0, and the time left: ``job 8 of 24, 3 h left``."""
        total = "" if self.jobs is None else f" of {self.jobs}"
        left = "" if self.seconds_left is None else f", about {format_duration(self.seconds_left)} left"
        return f"job {number + 1}{total}{left}"
