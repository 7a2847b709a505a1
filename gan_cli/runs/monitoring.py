"""Telemetry behind an alarm monitor: reports are checked, written, and acted on as ``diagnostics.on_alarm`` says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gan_cli.config.diagnostics import OnAlarm
from gan_cli.diagnostics.monitor import Alarm, AlarmMonitor
from gan_cli.diagnostics.rules import NON_FINITE, SKIPPED
from gan_cli.protocols.algorithm import Preview, Report, Sentences
from gan_cli.telemetry.recorder import RunTelemetry

logger = logging.getLogger(__name__)


class AlarmError(Exception):
    """An alarm after which training cannot go on unchanged.

    Attributes:
        alarm: the alarm that was raised.
        since: the first step whose update may be affected; 0 where that is unknown.
    """

    def __init__(self, alarm: Alarm, since: int) -> None:
        super().__init__(alarm.message)
        self.alarm = alarm
        self.since = since

    def __reduce__(self) -> tuple[type[AlarmError], tuple[Alarm, int]]:
        return AlarmError, (self.alarm, self.since)


class MonitoredTelemetry:
    """Telemetry whose reports are checked by an alarm monitor.

    Attributes:
        telemetry: the sinks of the run.
        monitor: checks every report, and holds the alarms raised so far.
        step: of the latest report.
        stop_requested: whether an alarm asks for the run to end after the next step.
        rollbacks: number of rollbacks so far.
        skipped: number of updates that were skipped so far.
    """

    def __init__(self, telemetry: RunTelemetry, monitor: AlarmMonitor, on_alarm: OnAlarm) -> None:
        self.telemetry = telemetry
        self.monitor = monitor
        self._on_alarm = on_alarm
        self.step = 0
        self.stop_requested = False
        self.rollbacks = 0
        self.skipped = 0

    def advance(self) -> None:
        """Move the progress on by a step."""
        self.telemetry.advance()

    def show(self, step: int, preview: Preview | Sentences) -> None:
        """Write the preview samples of a step."""
        self.telemetry.show(step, preview)

    def log_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write the metrics that an evaluation has measured, by name."""
        self.telemetry.log_evaluation(step, metrics)

    def log(self, step: int, report: Report, images_seen: int) -> None:
        """Check a report, write it, and log the alarms that it raises.

        Raises:
            AlarmError: numbers are not finite, or an alarm leads to a rollback; raised when everything is written.
        """
        self.step = step
        # Evaluations are rarer than reports: rules, such as the one on lost modes, see their latest results.
        evaluated = {tag: value for tag, value in self.telemetry.final.items() if tag.startswith("metrics/")}
        nonfinite = report.nonfinite
        checked = self.monitor.check(step, {**evaluated, **report.scalars}, nonfinite.message if nonfinite else None)
        scalars = {**report.scalars, **checked.scalars}
        self.telemetry.log(step, replace(report, scalars=scalars), images_seen, checked.raised)
        self._count_skipped(step, int(scalars.get(SKIPPED, 0)))
        for name in checked.ended:
            logger.info("step %d: %s is over", step, name)
        for alarm in checked.raised:
            logger.warning("step %d: %s: %s. Try %s", step, alarm.name, alarm.message, alarm.try_next)
        for alarm in filter(self.monitor.actionable, checked.raised):
            if alarm.name == NON_FINITE or self._on_alarm is OnAlarm.rollback:
                raise AlarmError(alarm, nonfinite.since if nonfinite else 0)
            self.stop_requested = self.stop_requested or self._on_alarm is OnAlarm.stop

    def _count_skipped(self, step: int, skipped: int) -> None:
        """Count skipped updates, and warn at the first one and at every tenfold of their number."""
        before, self.skipped = self.skipped, self.skipped + skipped
        if len(str(self.skipped)) > len(str(before)) or (skipped and not before):
            logger.warning(
                "step %d: %s skipped because of a loss or gradient that was not finite (train.non_finite=skip)",
                step,
                "1 update was" if self.skipped == 1 else f"{self.skipped} updates so far were",
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the telemetry and of the monitor, and the counts of rollbacks and skipped updates."""
        return {
            "sinks": self.telemetry.state_dict(),
            "doctor": self.monitor.state_dict(),  # key kept for checkpoints of earlier versions
            "rollbacks": self.rollbacks,
            "skipped": self.skipped,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.telemetry.load_state_dict(state["sinks"])
        self.monitor.load_state_dict(state["doctor"])
        self.rollbacks = int(state["rollbacks"])
        self.skipped = int(state.get("skipped", 0))  # checkpoints of older versions lack it
