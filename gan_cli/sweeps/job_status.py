"""What there is of a job already, read from its directory alone. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from gan_cli.storage.run_directory import RunDirectory


class JobState(Enum):
    """How far a job has come."""

    absent = "absent"  # nothing of it is there
    started = "begun"  # no word of an end: the process died, or is still at it
    interrupted = "interrupted"  # by a signal or its time limit
    completed = "completed"
    given_up = "given_up"  # diverged, or stopped by an alarm: the same run would end so once more
    failed = "failed"  # by an error whose cause may be gone


# What ``summary.json`` says -> how far the job has come. A run that was killed has no summary, or an earlier one.
STATE_OF_SUMMARY = {
    "completed": JobState.completed,
    "interrupted": JobState.interrupted,
    "diverged": JobState.given_up,
    "stopped": JobState.given_up,
    "failed": JobState.failed,
}


@dataclass(frozen=True)
class JobStatus:
    """What there is of a job.

    Attributes:
        progress: how far it has come.
        step: updates made when it last ended.
        said: what its summary says went wrong, or how it ended.
        runs: the directories of the run that it is, or of the runs that are trained as one (``train.replicas``).
    """

    state: JobState
    step: int = 0
    message: str = ""
    runs: tuple[RunDirectory, ...] = ()

    @property
    def has_checkpoint(self) -> bool:
        """Whether something could be lost by beginning again."""
        return any(run.has_checkpoint for run in self.runs)


def job_status(path: Path) -> JobStatus:
    """How the job of a directory stands."""
    alone = RunDirectory(path)
    if alone.is_claimed:
        return _run_status(alone)
    members = [RunDirectory(folder) for folder in sorted(path.glob("seed_*")) if (folder / ".hydra").exists()]
    return _replicas_status(members) if members else JobStatus(JobState.absent)


def _run_status(directory: RunDirectory) -> JobStatus:
    summary = directory.stored_summary()
    status = str(summary.get("status", ""))
    return JobStatus(STATE_OF_SUMMARY.get(status, JobState.started), _step(summary), _status_message(status, summary), (directory,))


def _replicas_status(members: Sequence[RunDirectory]) -> JobStatus:
    """Runs that are trained as one stand as the one that stands worst."""
    each = [_run_status(member) for member in members]
    for state in (JobState.started, JobState.interrupted, JobState.failed, JobState.given_up):
        worst = [one for one in each if one.state is state]
        if worst:
            return JobStatus(state, worst[0].step, worst[0].message, tuple(members))
    return JobStatus(JobState.completed, min(one.step for one in each), "", tuple(members))


def _step(summary: Mapping[str, Any]) -> int:
    step = summary.get("step")
    return step if isinstance(step, int) else 0


def _status_message(status: str, summary: Mapping[str, Any]) -> str:
    """One line for a person."""
    error = summary.get("error")
    if isinstance(error, str) and error:
        return error
    alarms = summary.get("alarms")
    last = alarms[-1] if isinstance(alarms, list) and alarms else None
    why = f": {last.get('name')}" if isinstance(last, dict) and status == "stopped" else ""
    return f"{status or 'begun and not ended'} at step {_step(summary)}{why}"
