"""Latest and best values of all metrics of a run, for its summary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

from gan_cli.metrics.directions import direction
from gan_cli.protocols.callbacks import Callback, EvaluationEvent, ReportEvent
from gan_cli.storage.state_values import numbers_by_name


class MetricTracker(Callback):
    """Keeps the latest value of every tag, and the best one of tags with a direction.

    Attributes:
        final: tag -> latest value; tags whose latest value is not finite are absent.
        best: tag -> ``value`` and ``step`` of the best value, for tags with a direction.
    """

    def __init__(self) -> None:
        self.final: dict[str, float] = {}
        self.best: dict[str, dict[str, float]] = {}
        self._direction = cache(direction)  # of each tag at each report

    def on_report(self, event: ReportEvent) -> None:
        self._track(event.step, event.report.scalars)

    def on_evaluation(self, event: EvaluationEvent) -> None:
        self._track(event.step, event.scalars)

    def _track(self, step: int, scalars: Mapping[str, float]) -> None:
        for tag, value in scalars.items():
            if not math.isfinite(value):
                self.final.pop(tag, None)
                continue
            self.final[tag] = value
            sign = self._direction(tag)
            if sign and (tag not in self.best or sign * (value - self.best[tag]["value"]) > 0):
                self.best[tag] = {"value": value, "step": step}

    def state_dict(self) -> dict[str, Any]:
        """Return the latest and the best values by tag."""
        return {"final": dict(self.final), "best": {tag: dict(entry) for tag, entry in self.best.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        best = {str(tag): numbers_by_name(entry) for tag, entry in state["best"].items()}
        self.final = numbers_by_name(state["final"])
        self.best = {tag: {"value": entry["value"], "step": entry["step"]} for tag, entry in best.items()}
