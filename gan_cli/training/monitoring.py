"""Alarms of a run: every report is checked first, and acted on as ``diagnostics.on_alarm`` says once it is written."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from gan_cli.config.diagnostics import OnAlarm
from gan_cli.diagnostics.advice import final_hint
from gan_cli.diagnostics.monitor import AlarmMonitor
from gan_cli.diagnostics.rules import NON_FINITE, SKIPPED
from gan_cli.protocols.callbacks import Alarm, Callback, EndEvent, ReportEvent
from gan_cli.telemetry import run_log
from gan_cli.telemetry.metric_tracker import MetricTracker

logger = logging.getLogger(__name__)


class AlarmError(Exception):
    """An alarm after which training cannot continue unchanged.

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


class CheckAlarms(Callback):
    """Checks every report against the alarm rules, and adds ``diagnosis/...`` and the alarms to it.

    Attributes:
        monitor: holds the alarms raised so far.
    """

    def __init__(self, monitor: AlarmMonitor, tracker: MetricTracker) -> None:
        """``tracker`` has the results of the latest evaluation."""
        self.monitor = monitor
        self._tracker = tracker

    def on_report(self, event: ReportEvent) -> ReportEvent:
        # Evaluations are rarer than reports: rules, such as the one on lost modes, see their latest results.
        evaluated = {tag: value for tag, value in self._tracker.final.items() if tag.startswith("metrics/")}
        report = event.report
        message = report.nonfinite.message if report.nonfinite else None
        checked = self.monitor.check(event.step, {**evaluated, **report.scalars}, message)
        report = replace(report, scalars={**report.scalars, **checked.scalars})
        return replace(event, report=report, alarms=checked.raised, ended=checked.ended)

    def state_dict(self) -> dict[str, Any]:
        return self.monitor.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.monitor.load_state_dict(state)


class ActOnAlarms(Callback):
    """Logs the alarms of a report, and ends the run or raises an error where that is configured.

    Attributes:
        rollbacks: number of rollbacks so far.
        skipped: number of updates that were skipped so far.
    """

    def __init__(self, monitor: AlarmMonitor, on_alarm: OnAlarm) -> None:
        self._monitor = monitor
        self._on_alarm = on_alarm
        self.rollbacks = 0
        self.skipped = 0

    def on_report(self, event: ReportEvent) -> ReportEvent:
        """Log the alarms of a report and request a stop, if that is to follow.

        Raises:
            AlarmError: numbers are not finite, or an alarm leads to a rollback; other callbacks are called before.
        """
        self._count_skipped(event.step, int(event.report.scalars.get(SKIPPED, 0)))
        for name in event.ended:
            self._logger_for(name, event.step).info("step %d: %s is over", event.step, name)
        for alarm in event.alarms:
            self._logger_for(alarm.name, event.step).warning("step %d: %s", event.step, alarm)
        actionable = [alarm for alarm in event.alarms if self._monitor.actionable(alarm)]
        for alarm in actionable:
            if alarm.name == NON_FINITE or self._on_alarm is OnAlarm.rollback:
                nonfinite = event.report.nonfinite
                raise AlarmError(alarm, nonfinite.since if nonfinite else 0)
        return replace(event, stop=event.stop or (bool(actionable) and self._on_alarm is OnAlarm.stop))

    def on_end(self, event: EndEvent) -> None:
        """Log the alarms that last at the end of the run and were not raised just now; without any, the notes."""
        if event.by_error:
            return
        lasting = self._monitor.lasting
        for alarm in lasting:
            if alarm.step < event.step:
                logger.warning("%s since step %d. %s", alarm.name, alarm.step, final_hint(alarm, lasting))
        for note in self._monitor.notes:
            logger.info("%s", note)

    def _logger_for(self, name: str, step: int) -> logging.Logger:
        """Return the console's logger for the first alarm of a name; later ones are for the log of the run alone."""
        times = sum(alarm.name == name and alarm.step <= step for alarm in self._monitor.alarms)
        return logger if times <= 1 else run_log.log_only_logger

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
        """Return the counts of rollbacks and of skipped updates."""
        return {"rollbacks": self.rollbacks, "skipped": self.skipped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rollbacks = int(state["rollbacks"])
        self.skipped = int(state.get("skipped", 0))  # checkpoints of older versions lack it
