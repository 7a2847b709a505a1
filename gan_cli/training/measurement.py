"""Measurements of one metric of a run, at steps whose checkpoint is saved: what moments of a run are compared by."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from gan_cli.config.metric_choice import MetricChoice
from gan_cli.config.schema import Config
from gan_cli.protocols.callbacks import EvaluationEvent, ReportEvent
from gan_cli.training.loop import checkpoint_is_due


@dataclass(frozen=True)
class Measurement:
    """The value of a metric at a step.

    Attributes:
        step: updates made so far; the run has a checkpoint of it.
        tag: of the metric, with the backbone.
        value: as measured; it may be no finite number.
        error: its standard error; None where it is not known.
    """

    step: int
    tag: str
    value: float
    error: float | None = None


@dataclass(frozen=True)
class Measurements:
    """Measurements of a chosen metric, found in the events of a run.

    A metric of evaluations is measured by each of them. One of the algorithm's own reports counts in those of steps
    at which a checkpoint is due, whatever has ended an earlier process: so a resumed run counts the same ones.

    Attributes:
        choice: the metric.
        by_evaluations: whether evaluations measure it.
        is_due: returns whether a checkpoint is due at a step.
    """

    choice: MetricChoice
    by_evaluations: bool
    is_due: Callable[[int], bool]

    @classmethod
    def of_run(cls, tag: str, key: str, config: Config, reported: Collection[str]) -> Measurements:
        """Return the measurements of a metric that a setting names.

        Args:
            tag: of the metric.
            key: the setting, for messages.
            config: of the run.
            reported: tags with a direction in the algorithm's own reports.
        """
        choice = MetricChoice(tag, key)
        return cls(choice, choice.needs_evaluations(reported), lambda step: checkpoint_is_due(config.train, step))

    def of_report(self, event: ReportEvent) -> Measurement | None:
        """Return the measurement in a report, if it counts."""
        if self.by_evaluations or not self.is_due(event.step):
            return None
        return self._find(event.step, event.report.scalars, {})

    def of_evaluation(self, event: EvaluationEvent) -> Measurement | None:
        """Return the measurement of an evaluation, if the metric is measured by these."""
        return self._find(event.step, event.scalars, event.errors) if self.by_evaluations else None

    def _find(self, step: int, scalars: Mapping[str, float], errors: Mapping[str, float]) -> Measurement | None:
        found = self.choice.matching(scalars)
        return Measurement(step, found[0], scalars[found[0]], errors.get(found[0])) if found else None


def is_better(sign: int, value: float, other: float, margin: float = 0.0) -> bool:
    """Return whether a finite value is better than another by more than a margin; ``sign`` is 1 where more is better.

    Any finite value is better than NaN.
    """
    if math.isnan(other):
        return math.isfinite(value)
    return math.isfinite(value) and sign * (value - other) > margin
