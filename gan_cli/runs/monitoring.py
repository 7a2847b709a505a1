"""The sinks of a run with a doctor in front of them: reports are examined, told, and acted on as configured."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gan_cli.config.diagnostics import OnAlarm
from gan_cli.diagnostics.monitor import Alarm, Doctor
from gan_cli.diagnostics.rules import NON_FINITE, SKIPPED
from gan_cli.protocols.algorithm import Preview, Report, Sentences
from gan_cli.telemetry.recorder import Telemetry

logger = logging.getLogger(__name__)


class AlarmError(Exception):
    """An alarm that training cannot go on after as it is.

    Attributes:
        alarm: what was raised.
        since: the step from whose update on it matters.
    """

    def __init__(self, alarm: Alarm, since: int) -> None:
        super().__init__(alarm.message)
        self.alarm = alarm
        self.since = since

    def __reduce__(self) -> tuple[type[AlarmError], tuple[Alarm, int]]:
        return AlarmError, (self.alarm, self.since)


class Attended:
    """Telemetry whose reports pass a doctor.

    Attributes:
        step: of the latest report.
        stopping: whether an alarm asks for the run to end after the next step.
        rollbacks: how often the run was rolled back so far.
        skipped: how many updates were left out so far.
    """

    def __init__(self, telemetry: Telemetry, doctor: Doctor, on_alarm: OnAlarm) -> None:
        self.telemetry = telemetry
        self.doctor = doctor
        self._on_alarm = on_alarm
        self.step = 0
        self.stopping = False
        self.rollbacks = 0
        self.skipped = 0

    def advance(self) -> None:
        """One more step is done."""
        self.telemetry.advance()

    def show(self, step: int, preview: Preview | Sentences) -> None:
        """Write the samples of a step."""
        self.telemetry.show(step, preview)

    def measure(self, step: int, figures: Mapping[str, float]) -> None:
        """Write what an evaluation found."""
        self.telemetry.measure(step, figures)

    def log(self, step: int, report: Report, images_seen: int) -> None:
        """Examine a report, write it, and say what was found.

        Raises:
            AlarmError: numbers are not finite, or an alarm is to lead to a rollback; everything is written before.
        """
        self.step = step
        # What was measured last, at steps of its own, is as good as new to whoever looks for modes.
        measured = {tag: value for tag, value in self.telemetry.final.items() if tag.startswith("metrics/")}
        noticed = report.trouble
        found = self.doctor.examine(step, {**measured, **report.scalars}, noticed.message if noticed else None)
        scalars = {**report.scalars, **found.scalars}
        self.telemetry.log(step, replace(report, scalars=scalars), images_seen, found.raised)
        self._count_skipped(step, int(scalars.get(SKIPPED, 0)))
        for name in found.over:
            logger.info("step %d: %s is over", step, name)
        for alarm in found.raised:
            logger.warning("step %d: %s: %s. Try %s", step, alarm.name, alarm.message, alarm.try_next)
        for alarm in filter(self.doctor.acts, found.raised):
            if alarm.name == NON_FINITE or self._on_alarm is OnAlarm.rollback:
                raise AlarmError(alarm, noticed.since if noticed else 0)
            self.stopping = self.stopping or self._on_alarm is OnAlarm.stop

    def _count_skipped(self, step: int, skipped: int) -> None:
        """Say of updates that were left out, the first time and at ten times as many as the last time."""
        before, self.skipped = self.skipped, self.skipped + skipped
        if len(str(self.skipped)) > len(str(before)) or (skipped and not before):
            logger.warning(
                "step %d: %s left out, whose loss or gradient was not finite (train.non_finite=skip)",
                step,
                "1 update was" if self.skipped == 1 else f"{self.skipped} updates so far were",
            )

    def state_dict(self) -> dict[str, Any]:
        """Of the sinks, of the doctor, how often there was a rollback, and how many updates were left out."""
        return {
            "sinks": self.telemetry.state_dict(),
            "doctor": self.doctor.state_dict(),
            "rollbacks": self.rollbacks,
            "skipped": self.skipped,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.telemetry.load_state_dict(state["sinks"])
        self.doctor.load_state_dict(state["doctor"])
        self.rollbacks = int(state["rollbacks"])
        self.skipped = int(state.get("skipped", 0))  # older checkpoints know of none
