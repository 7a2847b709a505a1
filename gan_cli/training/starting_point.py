"""The point at which a process starts to train a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StartingPoint:
    """Where a run starts: at its first step, or where a checkpoint has left it.

    Attributes:
        step: updates made so far.
        save: whether the state is saved before the next step, on all ranks: it could not be made again.
        report: whether the updates before it are reported, if that is due.
        resumed: whether it is a run that is continued.
    """

    step: int = 0
    save: bool = False
    report: bool = True
    resumed: bool = False
