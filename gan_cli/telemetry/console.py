"""Progress of a run on the console: a bar in a terminal, one line per report elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NoReturn

from tqdm import tqdm

from gan_cli.protocols.callbacks import Callback, ReportEvent, StartEvent, StepEvent
from gan_cli.telemetry.run_log import progress_logger


class Progress(Callback):
    """Shows a progress bar where stderr is a terminal, log lines elsewhere."""

    def __init__(self, steps: int) -> None:
        """``steps`` is their number in the whole run."""
        self._steps = steps
        self._bar: tqdm[NoReturn] | None = None

    def on_start(self, event: StartEvent) -> None:
        self._bar = tqdm(
            total=self._steps,
            initial=event.step,
            unit="step",
            file=sys.stderr,
            disable=not sys.stderr.isatty(),
            dynamic_ncols=True,
        )

    def on_step(self, event: StepEvent) -> None:
        assert self._bar is not None
        self._bar.update()

    def on_report(self, event: ReportEvent) -> None:
        self.show_metrics(event.step, event.report.headline)

    def show_metrics(self, step: int, headline: Mapping[str, float]) -> None:
        """Show metrics after the bar, and log them as a line."""
        assert self._bar is not None
        texts = {name: f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" for name, value in headline.items()}
        self._bar.set_postfix(texts)
        line = "  ".join(f"{name} {value}" for name, value in texts.items())
        progress_logger.info("step %d/%d  %s", step, self._steps, line)

    def close(self) -> None:
        """End the bar, which stays visible as it is."""
        if self._bar is not None:
            self._bar.close()


class HeadlineRecorder(Callback):
    """Keeps the headline of the latest report, for a display that several runs share.

    Attributes:
        headline: short name -> value; empty before the first report.
    """

    def __init__(self) -> None:
        self.headline: Mapping[str, float] = {}

    def on_report(self, event: ReportEvent) -> None:
        self.headline = event.report.headline
