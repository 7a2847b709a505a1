"""Status of a job of a sweep, read from its directory alone. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from gan_cli.storage.run_directory import RunDirectory


class JobState(Enum):
    """State in which a job was left."""

    absent = "absent"  # it has no run directory
    started = "started"  # without a recorded end: the process died, or is still training
    interrupted = "interrupted"  # by a signal or its time limit
    completed = "completed"
    abandoned = "abandoned"  # diverged, or stopped by an alarm: the same run would end in the same way
    failed = "failed"  # by an error whose cause may be gone


# ``status`` in ``summary.json`` -> state of the job. A run that was killed has no summary, or an earlier one.
STATE_OF_SUMMARY = {
    "completed": JobState.completed,
    "interrupted": JobState.interrupted,
    "diverged": JobState.abandoned,
    "stopped": JobState.abandoned,
    "failed": JobState.failed,
}


@dataclass(frozen=True)
class JobStatus:
    """Status of a job, read from its run directories.

    Attributes:
        state: in which it was left.
        step: updates made when it last ended.
        message: the error in its summary, or how it ended.
        runs: directories of its run, or of its replicas (``train.replicas``).
    """

    state: JobState
    step: int = 0
    message: str = ""
    runs: tuple[RunDirectory, ...] = ()

    @property
    def has_checkpoint(self) -> bool:
        """True where any of its runs has a checkpoint, which starting again would lose."""
        return any(run.has_checkpoint for run in self.runs)


def job_status(path: Path) -> JobStatus:
    """Return the status of the job of a directory."""
    single = RunDirectory(path)
    if single.is_claimed:
        return _run_status(single)
    members = [RunDirectory(folder) for folder in sorted(path.glob("seed_*")) if (folder / ".hydra").exists()]
    return _replicas_status(members) if members else JobStatus(JobState.absent)


def _run_status(directory: RunDirectory) -> JobStatus:
    summary = directory.stored_summary()
    status = str(summary.get("status", ""))
    return JobStatus(
        STATE_OF_SUMMARY.get(status, JobState.started), _step(summary), _status_message(status, summary), (directory,)
    )


def _replicas_status(members: Sequence[RunDirectory]) -> JobStatus:
    """Return the status of replicas: that of the one in the worst state."""
    statuses = [_run_status(member) for member in members]
    for state in (JobState.started, JobState.interrupted, JobState.failed, JobState.abandoned):
        worst = [status for status in statuses if status.state is state]
        if worst:
            return JobStatus(state, worst[0].step, worst[0].message, tuple(members))
    return JobStatus(JobState.completed, min(status.step for status in statuses), "", tuple(members))


def _step(summary: Mapping[str, Any]) -> int:
    step = summary.get("step")
    return step if isinstance(step, int) else 0


def _status_message(status: str, summary: Mapping[str, Any]) -> str:
    """Return one line that says how a run ended, or its error."""
    error = summary.get("error")
    if isinstance(error, str) and error:
        return error
    alarms = summary.get("alarms")
    last = alarms[-1] if isinstance(alarms, list) and alarms else None
    why = f": {last.get('name')}" if isinstance(last, dict) and status == "stopped" else ""
    return f"{status or 'started and not ended'} at step {_step(summary)}{why}"
