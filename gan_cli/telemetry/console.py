"""Progress of a run on the console: a line that is redrawn in a terminal, and some twenty lines of history anywhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import NoReturn

from tqdm import tqdm

from gan_cli.protocols.callbacks import Callback, EvaluationEvent, ReportEvent, StartEvent, StepEvent
from gan_cli.telemetry import terminal
from gan_cli.telemetry.progress_line import Pace, ProgressLine, format_value, progress_line, time_left
from gan_cli.telemetry.run_log import is_shared, progress_logger

# Lines of history of a run, and the longest time between two of them.
HISTORY_LINES, MAX_SILENCE = 20, 600.0
REDRAW_SECONDS = 0.2
# Training time after which the length of the run is estimated, where no report came before.
ESTIMATE_AFTER = 5.0


class Progress(Callback):
    """Shows the latest metrics, the time left and the alarms."""

    def __init__(self, steps: int, log_every: int, eval_every: int = 0) -> None:
        """Prepare the display of a run.

        Args:
            steps: their number in the whole run.
            log_every: number of steps from one report to the next.
            eval_every: number of steps from one evaluation to the next; 0: there are none, or they count as steps.
        """
        self._steps = steps
        self._eval_every = eval_every
        self._lines_every = log_every * max(1, math.ceil(steps / log_every / HISTORY_LINES))
        self._values: dict[str, float] = {}
        self._alarms: list[str] = []
        self._phase = ""
        self._first_step = 0
        self._evaluations, self._evaluating = 0, 0.0
        self._started = self._warm = self._last_line = self._due = 0.0
        self._estimated = False
        self._display: tqdm[NoReturn] | None = None

    def on_start(self, event: StartEvent) -> None:
        self._first_step, self._started = event.step, time.perf_counter()
        self._last_line, self._estimated = self._started, False
        self._evaluations, self._evaluating = 0, 0.0
        if terminal.redraws() and not is_shared():
            # tqdm keeps the line below what others write; how wide the terminal is, is measured here.
            self._display = tqdm(
                bar_format="{desc}", file=sys.stderr, ncols=sys.maxsize, nrows=sys.maxsize, leave=False
            )
            self._due = 0.0
        else:
            self._due = self._started + ESTIMATE_AFTER

    def on_step(self, event: StepEvent) -> None:
        now = time.perf_counter()
        if event.step == self._first_step + 1:
            self._warm = now
        if now >= self._due:
            self._show(event.step, now)

    def on_report(self, event: ReportEvent) -> None:
        raised = [alarm.name for alarm in event.alarms]
        self._alarms = [name for name in dict.fromkeys([*self._alarms, *raised]) if name not in event.ended]
        self.show_metrics(event.step, event.report.headline, event.report.phase)

    def on_evaluation(self, event: EvaluationEvent) -> None:
        if self._eval_every and not event.abandoned:
            self._evaluations += 1
            self._evaluating += event.seconds
        if event.scalars:
            metrics = [f"{tag.removeprefix('metrics/')} {format_value(value)}" for tag, value in event.scalars.items()]
            self._log(ProgressLine([f"step {event.step}/{self._steps}", *metrics]))

    def show_metrics(self, step: int, headline: Mapping[str, float], phase: str = "") -> None:
        """Show metrics in the line, and log them as one if that is due."""
        self._values, self._phase = dict(headline), phase
        now = time.perf_counter()
        if self._display is not None:
            self._show(step, now)
        # Where no line is redrawn, the first report that knows the time left says it.
        first = self._display is None and not self._estimated and step > self._first_step
        if first or step % self._lines_every == 0 or step >= self._steps or now - self._last_line > MAX_SILENCE:
            self._estimated, self._last_line = self._estimated or step > self._first_step, now
            self._log(self._line(step, now))

    def close(self) -> None:
        """Take the line away; those of the history stay."""
        if self._display is not None:
            self._display.close()
            self._display = None

    def _show(self, step: int, now: float) -> None:
        """Draw the line again; without one, say once how long the run will take."""
        if self._display is not None:
            self._due = now + REDRAW_SECONDS
            self._display.set_description_str(self._line(step, now).fit(terminal.width() - 1))
            return
        self._due = math.inf
        left = time_left(self._pace(step, now), self._steps - step, self._evaluations_left(step))
        if not self._estimated and left:
            self._estimated = True
            self._log(ProgressLine([f"step {step}/{self._steps}", f"about {left}"]))

    def _line(self, step: int, now: float) -> ProgressLine:
        pace, evaluations = self._pace(step, now), self._evaluations_left(step)
        return progress_line(step, self._steps, pace, self._values, self._alarms, self._phase, evaluations)

    def _pace(self, step: int, now: float) -> Pace:
        """Return the pace since the first step, which is slower than all others; that of the first step at first."""
        steps, since = step - self._first_step, self._started
        if steps > 1:
            steps, since = steps - 1, self._warm
        return Pace(steps, now - since - self._evaluating, self._evaluations, self._evaluating)

    def _evaluations_left(self, step: int) -> int:
        """Return how many evaluations are due after a step: one every so many steps, and one at the end."""
        return -(-self._steps // self._eval_every) - step // self._eval_every if self._eval_every else 0

    def _log(self, line: ProgressLine) -> None:
        progress_logger.info(line)


class HeadlineRecorder(Callback):
    """Keeps the headline of the latest report, for a display that several runs share.

    Attributes:
        headline: short name -> value; empty before the first report.
    """

    def __init__(self) -> None:
        self.headline: Mapping[str, float] = {}

    def on_report(self, event: ReportEvent) -> None:
        self.headline = event.report.headline
