"""What a person sees of a run while it trains: a bar in a terminal, a line a report elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Protocol

from tqdm import tqdm

from gan_cli.runtime.cpu_contention import ContentionDetector

# Lines that a bar replaces; a warning stays.
progress_logger = logging.getLogger("gan_cli.telemetry.console")
logger = logging.getLogger("gan_cli.runtime.cpu_contention")


class ProgressSink(Protocol):
    """Who is told how a run goes."""

    def open(self, step: int) -> None:
        """Training begins at ``step``."""
        ...

    def advance(self) -> None:
        """One more step is done."""
        ...

    def show_metrics(self, step: int, headline: Mapping[str, float]) -> None:
        """Tell the figures of a step, by short names."""
        ...

    def close(self) -> None:
        """Training is over."""
        ...


class Console:
    """A bar where stderr is a terminal; lines in the log in any case; a word when other processes are in the way."""

    def __init__(self, steps: int, threads: int) -> None:
        """``steps`` of the whole run, and the ``threads`` that it computes with."""
        self._steps = steps
        self._threads = threads

    def open(self, step: int) -> None:
        """Show the bar at ``step``."""
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
        """Move the bar on."""
        self._bar.update()

    def show_metrics(self, step: int, headline: Mapping[str, float]) -> None:
        """Figures behind the bar and as a line."""
        words = {name: f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" for name, value in headline.items()}
        self._bar.set_postfix(words)
        said = "  ".join(f"{name} {value}" for name, value in words.items())
        progress_logger.info("step %d/%d  %s", step, self._steps, said)
        if self._contention.detected():
            logger.warning(
                "other processes keep taking cores from this run, and its threads wait for each other:"
                " device.threads=1 may be many times faster"
            )

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


class SilentProgress:
    """Shows nothing, and keeps what was said last."""

    def __init__(self) -> None:
        self.headline: dict[str, float] = {}

    def open(self, step: int) -> None:
        """Nothing to show."""

    def advance(self) -> None:
        """Nothing to show."""

    def show_metrics(self, step: int, headline: Mapping[str, float]) -> None:
        """Keep the figures."""
        self.headline = dict(headline)

    def close(self) -> None:
        """Nothing to close."""
