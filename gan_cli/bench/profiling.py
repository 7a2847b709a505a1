"""Whoever is told of the parts of a step: a stopwatch, or another one after the other."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch.profiler import profile, record_function

from gan_cli.algorithms.context import StepTimer, untimed
from gan_cli.bench.trial import StepBenchmark
from gan_cli.storage.files import writing

# What goes by in no part.
REST = "rest"


class PartTimer:
    """Time by part. A part inside another one stops the other's clock, so that nothing counts twice."""

    def __init__(self, synchronize: Callable[[], None]) -> None:
        """Begin. ``synchronize`` waits for the device, so that a part's work is done when its time is taken."""
        self._synchronise = synchronize
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._open = [REST]
        synchronize()
        self._since = time.perf_counter()

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """The time of a part."""
        self._settle()
        self._open.append(part)
        try:
            yield
        finally:
            self._settle()
            self._open.pop()

    def read(self) -> dict[str, float]:
        """Seconds by part so far; they sum to all that went by."""
        self._settle()
        return {name: self._seconds[name] for name in sorted(self._seconds, key=lambda name: name == REST)}

    def _settle(self) -> None:
        self._synchronise()
        now = time.perf_counter()
        self._seconds[self._open[-1]] += now - self._since
        self._since = now


class SwitchableTimer:
    """A watch that hands on to another one, for a while: an algorithm keeps the one it was made with."""

    def __init__(self) -> None:
        self._timer: StepTimer = untimed

    def __call__(self, part: str) -> contextlib.AbstractContextManager[Any]:
        """What the present watch makes of the part."""
        return self._timer(part)

    @contextlib.contextmanager
    def to(self, timer: StepTimer) -> Iterator[None]:
        """Hand on to ``timer``."""
        self._timer = timer
        try:
            yield
        finally:
            self._timer = untimed


TRACED_STEPS = 3


def write_trace(trial: StepBenchmark, switch: SwitchableTimer, path: Path) -> None:
    """Trace steps with their parts as ranges, into ``path``: gzipped where its name ends in .gz.

    Raises:
        OutputError: the file cannot be written.
    """
    with switch.to(record_function), profile() as profiler:
        for _ in range(TRACED_STEPS):
            with record_function("step"):
                trial.advance(1)
        trial.synchronize()
    # The profiler's own writer reports a failure on stderr alone.
    with tempfile.TemporaryDirectory(prefix="gan-bench-") as scratch:
        written = Path(scratch) / f"trace{'.json.gz' if path.suffix == '.gz' else '.json'}"
        profiler.export_chrome_trace(str(written))
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(written, path)
