"""Progress of a run on the console: a bar in a terminal, one line per report elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Protocol

from tqdm import tqdm

from gan_cli.runtime import cpu_contention
from gan_cli.runtime.cpu_contention import ContentionDetector

# A progress bar replaces the lines of this logger (telemetry/run_log.py), so a warning goes to another one.
progress_logger = logging.getLogger(__name__)
contention_logger = logging.getLogger(cpu_contention.__name__)


class ProgressSink(Protocol):
    """Interface of the display of a run's progress."""

    def open(self, step: int) -> None:
        """Start the display, with training at ``step``."""
        ...

    def advance(self) -> None:
        """Move the progress on by a step."""
        ...

    def show_metrics(self, step: int, headline: Mapping[str, float]) -> None:
        """Show the metrics of a step, by short names."""
        ...

    def close(self) -> None:
        """End the display, as training is over."""
        ...


class Console:
    """Progress bar where stderr is a terminal, log lines, and one warning of CPU contention."""

    def __init__(self, steps: int, threads: int) -> None:
        """``steps`` is their number in the whole run, ``threads`` the number that it computes with."""
        self._steps = steps
        self._threads = threads

    def open(self, step: int) -> None:
        self._contention = ContentionDetector(self._threads)
        self._bar = tqdm(
            total=self._steps,
            initial=step,
            unit="step",
            file=sys.stderr,
            disable=not sys.stderr.isatty(),
            dynamic_ncols=True,
        )

    def advance(self) -> None:
        self._bar.update()

    def show_metrics(self, step: int, headline: Mapping[str, float]) -> None:
        """Show metrics behind the bar, and log them as a line."""
        texts = {name: f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" for name, value in headline.items()}
        self._bar.set_postfix(texts)
        line = "  ".join(f"{name} {value}" for name, value in texts.items())
        progress_logger.info("step %d/%d  %s", step, self._steps, line)
        if self._contention.detected():
            contention_logger.warning(
                "other processes keep taking cores from this run, and its threads wait for each other:"
                " device.threads=1 may be many times faster"
            )

    def close(self) -> None:
        """End the bar, which stays visible as it is."""
        self._bar.close()


class SilentProgress:
    """Progress without a display, which keeps the latest headline metrics."""

    def __init__(self) -> None:
        self.headline: dict[str, float] = {}

    def open(self, step: int) -> None:
        pass

    def advance(self) -> None:
        pass

    def show_metrics(self, step: int, headline: Mapping[str, float]) -> None:
        self.headline = dict(headline)

    def close(self) -> None:
        pass
