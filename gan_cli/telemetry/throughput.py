"""Training time of a run, and its speed between two reports."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from gan_cli.protocols.callbacks import Callback, EvaluationEvent, ReportEvent, StartEvent
from gan_cli.storage.state_values import numbers_by_name


class Throughput(Callback):
    """Adds ``speed/steps_per_second`` and ``speed/images_per_second`` to reports, the latter to their headlines too."""

    def __init__(self, samples: str) -> None:
        """``samples`` is the noun for real samples in the headline: ``images``."""
        self._samples = samples
        self._seconds_before = 0.0
        self._started: float | None = None
        self._evaluating = 0.0
        self._last = {"step": 0, "images": 0, "seconds": 0.0}

    @property
    def seconds(self) -> float:
        """Training time so far in seconds, over all processes that have worked on the run; evaluations do not count."""
        if self._started is None:
            return self._seconds_before
        return self._seconds_before + time.perf_counter() - self._started - self._evaluating

    def set_elapsed(self, seconds: float) -> None:
        """Set the training time so far in seconds; to be called before :meth:`on_start`."""
        self._seconds_before = seconds

    def on_start(self, event: StartEvent) -> None:
        self._started = time.perf_counter()
        self._evaluating = 0.0

    def on_evaluation(self, event: EvaluationEvent) -> None:
        self._evaluating += event.seconds

    def on_report(self, event: ReportEvent) -> ReportEvent:
        now, report = self.seconds, event.report
        elapsed = max(now - self._last["seconds"], 1e-9)
        images_per_second = (event.images_seen - self._last["images"]) / elapsed
        speed = {
            "speed/steps_per_second": (event.step - self._last["step"]) / elapsed,
            "speed/images_per_second": images_per_second,
        }
        self._last = {"step": event.step, "images": event.images_seen, "seconds": now}
        headline = {**report.headline, f"{self._samples}/s": images_per_second}
        return replace(event, report=replace(report, scalars={**report.scalars, **speed}, headline=headline))

    def state_dict(self) -> dict[str, Any]:
        """Return the training time and the start of the next interval for speeds."""
        return {"seconds": self.seconds, "last": dict(self._last)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._seconds_before = float(state["seconds"])
        last = numbers_by_name(state["last"])
        self._last = {key: last[key] for key in self._last}
