"""Data of one run as a report shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gan_cli.metrics.registry import MetricInfo

Floats: TypeAlias = npt.NDArray[np.float64]

# Prefix of the divergences that D estimates, and the tag of their largest value.
DIVERGENCE, CEILING = "divergence/", "divergence/ceiling"
# End of the tag of a divergence on samples that D does not train on.
HELD_OUT_SUFFIX = "_held_out"


class RunState(Enum):
    """State of a run: the five ends of ``summary.json``, and two for runs without one."""

    completed = "completed"
    interrupted = "interrupted"
    stopped = "stopped"
    diverged = "diverged"
    failed = "failed"
    running = "running"
    died = "died"


@dataclass(frozen=True)
class Curve:
    """One metric over the steps.

    Attributes:
        steps: ``(N,)``, ascending, each once; N >= 1.
        values: ``(N,)``, finite.
    """

    steps: Floats
    values: Floats


@dataclass(frozen=True)
class BestValue:
    """Best value of a metric, and its step."""

    value: float
    step: int


@dataclass(frozen=True)
class AlarmRecord:
    """An alarm that a run raised.

    Attributes:
        name: such as ``mode_collapse``.
        step: at which it was raised first.
        message: explanation in a sentence; empty where the run has not written one yet.
        remedy: override to try next, or empty.
    """

    name: str
    step: int
    message: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Origin:
    """Where a run began: at a checkpoint of another run.

    Attributes:
        path: of the other run.
        step: of its checkpoint.
        is_fork: whether it went on from there; false: it began with its weights.
        changes: settings that a fork changed, of a class with another one the class alone.
    """

    path: Path
    step: int
    is_fork: bool
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunRecord:
    """Content of one run directory.

    Attributes:
        path: of the directory.
        name: path below the folder that all runs have in common.
        leaves: dotted key -> value of the stored configuration, interpolations as they stand.
        options: config group -> the option chosen from it; empty where ``.hydra`` does not contain them.
        overrides: of the command line.
        state: of the run.
        step: updates made, as far as is known.
        seconds: of training, or None where unknown.
        final: tag -> last value, those of ``evaluation.json`` among them.
        best: tag -> best value, of metrics with a direction.
        curves: tag -> values over the steps.
        alarms: in the order of their first steps.
        samples: sample grids, or files of sentences, the last one first.
        provenance: of the metrics in ``evaluation.json``.
        evaluated: tags of the metrics in ``evaluation.json``.
        infos: of ``tags.json``: tag, or the part of several before the slash -> unit, direction and ceiling; empty for
            runs of earlier versions and without a loss.
        origin: of ``origin.json``; None for a run that began from no other one.
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
    evaluated: tuple[str, ...] = ()
    infos: Mapping[str, MetricInfo] = field(default_factory=dict)
    origin: Origin | None = None

    def info(self, tag: str) -> MetricInfo | None:
        """Return what the run itself says of a tag, or None."""
        return self.infos.get(tag) or self.infos.get(tag.partition("/")[0])

    @property
    def seed(self) -> str:
        """Seed of the run as text; ``?`` where its configuration has none."""
        return str(self.leaves.get("seed", "?"))

    @property
    def divergence(self) -> str:
        """Name of the divergence that D estimates, as in ``divergence/<name>``; empty before the first report."""
        names = (tag.removeprefix(DIVERGENCE) for tag in self.final if tag.startswith(DIVERGENCE) and tag != CEILING)
        return next((name for name in names if not name.endswith(HELD_OUT_SUFFIX)), "")
