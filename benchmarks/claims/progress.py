"""Progress of runs that train in other processes, read from their directories."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from gan_cli.telemetry import terminal
from gan_cli.telemetry.progress_line import Pace
from gan_cli.telemetry.quantities import format_duration

# Seconds between two lines where they are not redrawn.
QUIET_SECONDS = 30.0
# Bytes at the end of ``metrics.jsonl`` that hold at least one whole line.
TAIL_BYTES = 2**15


@dataclass(frozen=True)
class Position:
    """How far a run has come.

    Attributes:
        name: of the run.
        step: of its last report; None before the first.
        steps: of the whole run.
        seconds_left: to its end, at the speed since it was first seen; None while that is not known.
    """

    name: str
    step: int | None
    steps: int
    seconds_left: float | None

    def __str__(self) -> str:
        if self.step is None:
            return f"{self.name} starting"
        left = "" if self.seconds_left is None else f", {format_duration(self.seconds_left)} left"
        return f"{self.name} step {self.step:,} of {self.steps:,}{left}"


def last_step(metrics: Path) -> int | None:
    """Return the step of the last report in a ``metrics.jsonl``; None where there is none yet."""
    with contextlib.suppress(OSError), metrics.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
        for line in reversed(file.read().splitlines()):
            with contextlib.suppress(ValueError, KeyError, TypeError):  # the last line may be incomplete
                return int(json.loads(line)["step"])
    return None


class ProgressDisplay:
    """Shows how far the running ones of some runs have come."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """``stream`` defaults to stderr; in a terminal its last line is redrawn."""
        self._stream = sys.stderr if stream is None else stream
        self._redraws = self._stream.isatty()
        self._first_seen: dict[Path, tuple[float, int]] = {}
        self._shown_at, self._shown_done = float("-inf"), -1

    def show(self, running: Mapping[Path, tuple[str, int]], done: int, total: int) -> None:
        """Show a line if one is due.

        Args:
            running: ``metrics.jsonl`` of the runs that train now -> name and steps.
            done: number of runs that are completed.
            total: number of all runs.
        """
        now = time.monotonic()
        if not self._redraws and now - self._shown_at < QUIET_SECONDS and done == self._shown_done:
            return
        self._shown_at, self._shown_done = now, done
        positions = [self._position(file, name, steps, now) for file, (name, steps) in running.items()]
        self._write(progress_line(positions, done, total))

    def clear(self) -> None:
        """Remove the line that is redrawn."""
        if self._redraws:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def _position(self, metrics: Path, name: str, steps: int, now: float) -> Position:
        step = last_step(metrics)
        if step is None:
            return Position(name, None, steps, None)
        then, first = self._first_seen.setdefault(metrics, (now, step))
        return Position(name, step, steps, Pace(max(0, step - first), now - then).seconds_for(steps - step))

    def _write(self, line: str) -> None:
        if self._redraws:
            self._stream.write(f"\r\033[K{line[: terminal.width() - 1]}")
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()


def progress_line(positions: Sequence[Position], done: int, total: int) -> str:
    """Return the progress of all runs in a line."""
    return "; ".join([f"{done} of {total} runs done", *map(str, positions)])
