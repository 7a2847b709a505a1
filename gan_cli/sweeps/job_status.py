"""What there is of a job already, read from its directory alone. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from gan_cli.storage.run_directory import RunDirectory


class Progress(Enum):
    """How far a job has come."""

    absent = "absent"  # nothing of it is there
    begun = "begun"  # no word of an end: the process died, or is still at it
    interrupted = "interrupted"  # by a signal or its time limit
    completed = "completed"
    given_up = "given_up"  # diverged, or stopped by an alarm: the same run would end so once more
    failed = "failed"  # by an error whose cause may be gone


# What ``summary.json`` says -> how far the job has come. A run that was killed has no summary, or an earlier one.
TOLD = {
    "completed": Progress.completed,
    "interrupted": Progress.interrupted,
    "diverged": Progress.given_up,
    "stopped": Progress.given_up,
    "failed": Progress.failed,
}


@dataclass(frozen=True)
class Standing:
    """What there is of a job.

    Attributes:
        progress: how far it has come.
        step: updates made when it last ended.
        said: what its summary says went wrong, or how it ended.
        runs: the directories of the run that it is, or of the runs that are trained as one (``train.replicas``).
    """

    progress: Progress
    step: int = 0
    said: str = ""
    runs: tuple[RunDirectory, ...] = ()

    @property
    def has_checkpoint(self) -> bool:
        """Whether something could be lost by beginning again."""
        return any(run.has_checkpoint for run in self.runs)


def standing(path: Path) -> Standing:
    """How the job of a directory stands."""
    alone = RunDirectory(path)
    if alone.begun:
        return _of_run(alone)
    members = [RunDirectory(folder) for folder in sorted(path.glob("seed_*")) if (folder / ".hydra").exists()]
    return _of_fleet(members) if members else Standing(Progress.absent)


def _of_run(directory: RunDirectory) -> Standing:
    summary = directory.stored_summary()
    status = str(summary.get("status", ""))
    return Standing(TOLD.get(status, Progress.begun), _step(summary), _said(status, summary), (directory,))


def _of_fleet(members: Sequence[RunDirectory]) -> Standing:
    """Runs that are trained as one stand as the one that stands worst."""
    each = [_of_run(member) for member in members]
    for progress in (Progress.begun, Progress.interrupted, Progress.failed, Progress.given_up):
        worst = [one for one in each if one.progress is progress]
        if worst:
            return Standing(progress, worst[0].step, worst[0].said, tuple(members))
    return Standing(Progress.completed, min(one.step for one in each), "", tuple(members))


def _step(summary: Mapping[str, Any]) -> int:
    step = summary.get("step")
    return step if isinstance(step, int) else 0


def _said(status: str, summary: Mapping[str, Any]) -> str:
    """One line for a person."""
    error = summary.get("error")
    if isinstance(error, str) and error:
        return error
    alarms = summary.get("alarms")
    last = alarms[-1] if isinstance(alarms, list) and alarms else None
    why = f": {last.get('name')}" if isinstance(last, dict) and status == "stopped" else ""
    return f"{status or 'begun and not ended'} at step {_step(summary)}{why}"
