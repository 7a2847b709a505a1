"""Progress of gan-eval on stderr: a redrawn line in a terminal, elsewhere a line for whatever takes long."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

from tqdm import tqdm

from gan_cli.errors import printable
from gan_cli.telemetry.quantities import format_duration

# Seconds after which a stage is named where no line can be redrawn.
PATIENCE = 5.0
MAX_NAME_LENGTH = 40


class EvaluationProgress:
    """Context that shows which run is measured, what is computed for it, and how long the rest will take.

    Attributes:
        total: number of runs.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._done = 0
        self._name = ""
        self._started = time.monotonic()
        self._timer: threading.Timer | None = None
        self._bar = tqdm(
            total=total, file=sys.stderr, disable=not sys.stderr.isatty(), leave=False, unit="run", dynamic_ncols=True
        )

    def __enter__(self) -> EvaluationProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cancel()
        self._bar.close()

    def begin(self, name: str) -> None:
        """Name the run that is measured next."""
        self._name = printable(name)

    def stage(self, stage: str) -> None:
        """Name what is computed next."""
        self._cancel()
        if self._bar.disable:
            self._timer = threading.Timer(PATIENCE, self.say, [f"{self._name}: {stage} ..."])
            self._timer.daemon = True
            self._timer.start()
        else:
            name = self._name if len(self._name) <= MAX_NAME_LENGTH else f"...{self._name[3 - MAX_NAME_LENGTH :]}"
            self._bar.set_description_str(f"{name}: {stage}")

    def end(self, result: str) -> None:
        """Say what came of the run, and how long the others will take."""
        self._cancel()
        self._done += 1
        self._bar.update()
        seconds = (time.monotonic() - self._started) / self._done * (self.total - self._done)
        left = f"; about {format_duration(seconds)} left" if seconds >= 1 else ""
        self.say(f"[{self._done} of {self.total}] {self._name}: {result}{left}")

    def say(self, line: str) -> None:
        """Write a line above the redrawn one."""
        self._bar.write(line, file=sys.stderr)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
