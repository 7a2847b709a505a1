"""What is known of one run, whoever reads or shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]


class RunState(Enum):
    """How a run stands: the four ends that ``summary.json`` tells of, and what is seen where it tells nothing."""

    completed = "completed"
    interrupted = "interrupted"
    diverged = "diverged"
    failed = "failed"
    running = "running"
    died = "died"


@dataclass(frozen=True)
class Curve:
    """One figure over the steps.

    Attributes:
        steps: ``(N,)``, ascending, each once; N >= 1.
        values: ``(N,)``, finite.
    """

    steps: Floats
    values: Floats


@dataclass(frozen=True)
class BestValue:
    """The best value that a figure had, and when."""

    value: float
    step: int


@dataclass(frozen=True)
class AlarmRecord:
    """Something that went wrong.

    Attributes:
        name: ``mode_collapse`` and its like.
        step: when it was raised first.
        message: what it means, a sentence; empty where the run has not come to write it.
        remedy: the override to try next, or empty.
    """

    name: str
    step: int
    message: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class RunRecord:
    """One run directory.

    Attributes:
        path: where it lies.
        name: the same as a person tells it from the others.
        leaves: dotted key -> value of the stored configuration, interpolations as they stand.
        options: config group -> the option chosen from it; empty where ``.hydra`` does not tell.
        overrides: what the command line said.
        state: how it stands.
        step: updates made, as far as is known.
        seconds: of training, or None where nothing tells.
        final: tag -> last value, those of ``evaluation.json`` among them.
        best: tag -> best value, where better is known to be higher or lower.
        curves: tag -> the figure over the steps.
        alarms: what went wrong, in the order of its first step.
        samples: sample grids, or files of sentences, the last one first.
        provenance: what ``evaluation.json`` says of where its figures come from.
    """

    path: Path
    name: str
    leaves: Mapping[str, Any]
    options: Mapping[str, str]
    overrides: tuple[str, ...]
    state: RunState
    step: int
    seconds: float | None
    final: Mapping[str, float]
    best: Mapping[str, BestValue]
    curves: Mapping[str, Curve]
    alarms: tuple[AlarmRecord, ...]
    samples: tuple[Path, ...]
    provenance: Mapping[str, Any]

    @property
    def seed(self) -> str:
        """Its seed, as it is shown."""
        return str(self.leaves.get("seed", "?"))

    @property
    def divergence(self) -> str:
        """What its D estimates, as in ``divergence/<name>``; empty where it has not said so yet."""
        names = [tag.removeprefix("divergence/") for tag in self.final if tag.startswith("divergence/")]
        return min(names, key=len, default="")
