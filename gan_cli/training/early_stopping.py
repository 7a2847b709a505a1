"""Early stopping (``stop.metric``): a run ends, as completed, once a metric has not improved for a while."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gan_cli.config.stopping import StopSection
from gan_cli.protocols.callbacks import Callback, EvaluationEvent, ReportEvent, StartEvent
from gan_cli.storage.state_values import number, numbers
from gan_cli.training.measurement import Measurement, Measurements, is_better

logger = logging.getLogger(__name__)

# Latest measurements whose scatter stands for the standard error of a metric of reports.
WINDOW = 10
MARGIN, WAITED = "stop/margin", "stop/waited"


@dataclass(frozen=True)
class Patience:
    """Progress of a metric so far.

    Attributes:
        step: of the latest improvement that counted; 0: there was none.
        value: of the metric there; NaN: none was measured.
        error: standard error of that value.
        waited: measurements since then.
        latest: the latest values, the newest at the end.
    """

    step: int = 0
    value: float = math.nan
    error: float = 0.0
    waited: int = 0
    latest: tuple[float, ...] = ()

    def after(self, measured: Measurement, sign: int, margin: float) -> Patience:
        """Return the progress after one more measurement.

        Args:
            measured: the measurement.
            sign: -1 where less is better, 1 where more is.
            margin: smallest improvement that counts, in standard errors of the difference.
        """
        latest = (*self.latest, measured.value)[-WINDOW:]
        error = scatter(latest) if measured.error is None else measured.error
        if is_better(sign, measured.value, self.value, margin * math.hypot(error, self.error)):
            return Patience(measured.step, measured.value, error, 0, latest)
        return replace(self, waited=self.waited + 1, latest=latest)


def scatter(values: Sequence[float]) -> float:
    """Estimate the standard error of successive measurements of a quantity that changes smoothly; 0 of fewer than 3.

    From second differences, which a straight line has none of: their expected square is 6 times the variance (Gasser,
    Sroka & Jennen-Steinmetz 1986, for equal distances).
    """
    finite = np.array([value for value in values if math.isfinite(value)])
    if len(finite) < 3:
        return 0.0
    return float(np.sqrt(np.mean(np.square(np.diff(finite, n=2))) / 6))


class StopWithoutImprovement(Callback):
    """Ends a run once as many measurements as its patience have brought no improvement that counts."""

    def __init__(self, measurements: Measurements, settings: StopSection) -> None:
        self._measurements = measurements
        self._settings = settings
        self._sign = measurements.choice.sign()
        self._patience = Patience()
        self._tag = measurements.choice.tag
        self._finished = False

    @property
    def reason(self) -> str | None:
        """Why the run has ended before its last step; None where it has not."""
        if not self._finished:
            return None
        progress = self._patience
        since = f"since step {progress.step} ({progress.value:.4g})" if progress.step else "at all"
        return (
            f"{self._tag} has not improved in {progress.waited} measurements, {since}"
            f" (stop.patience={self._settings.patience})"
        )

    def on_start(self, event: StartEvent) -> None:
        self._finished = False

    def on_report(self, event: ReportEvent) -> ReportEvent | None:
        added = self._add(self._measurements.of_report(event))
        if not added:
            return None
        report = replace(event.report, scalars={**event.report.scalars, **added})
        return replace(event, report=report, finished=self._finished)

    def on_evaluation(self, event: EvaluationEvent) -> EvaluationEvent | None:
        added = self._add(self._measurements.of_evaluation(event))
        return replace(event, scalars={**event.scalars, **added}, finished=self._finished) if added else None

    def summary(self) -> dict[str, Any]:
        """Return the entry of ``summary.json``; empty for a run that was not ended."""
        return {} if self.reason is None else {"stopped_because": self.reason}

    def state_dict(self) -> dict[str, Any]:
        """Return the progress of the metric, and which one it is."""
        progress = {**asdict(self._patience), "latest": list(self._patience.latest)}
        return {"metric": self._measurements.choice.tag, **progress}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state; of another metric, nothing."""
        if state["metric"] == self._measurements.choice.tag:
            self._patience = Patience(
                step=int(state["step"]),
                value=number(state["value"]),
                error=number(state["error"]),
                waited=int(state["waited"]),
                latest=tuple(numbers(state["latest"])),
            )

    def _add(self, measured: Measurement | None) -> dict[str, float]:
        """Count a measurement, and return what there is to report of it."""
        if measured is None:
            return {}
        self._tag = measured.tag
        self._patience = self._patience.after(measured, self._sign, self._settings.margin)
        self._finished = self._patience.waited >= self._settings.patience
        if self._finished:
            logger.info("step %d: %s", measured.step, self.reason)
        error = scatter(self._patience.latest) if measured.error is None else measured.error
        return {MARGIN: self._settings.margin * math.hypot(error, self._patience.error), WAITED: self._patience.waited}
