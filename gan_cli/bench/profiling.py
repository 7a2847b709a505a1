"""Timers of the parts of a step, and traces by torch's profiler."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

from gan_cli.algorithms.context import StepTimer, untimed
from gan_cli.bench.trial import StepBenchmark
from gan_cli.storage.files import writing

# Name of the time outside all parts.
REST = "rest"


class PartTimer:
    """Measures time by part. A part inside another one pauses the other's clock, so that no time counts twice."""

    def __init__(self, synchronize: Callable[[], None]) -> None:
        """Start the clock; ``synchronize`` waits for the device, so that the time of a part includes its work there."""
        self._synchronize = synchronize
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._open = [REST]
        synchronize()
        self._since = time.perf_counter()

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Count the time of the block for a part."""
        self._add_elapsed()
        self._open.append(part)
        try:
            yield
        finally:
            self._add_elapsed()
            self._open.pop()

    def read(self) -> dict[str, float]:
        """Return the seconds by part so far; they sum to the whole time."""
        self._add_elapsed()
        return {name: self._seconds[name] for name in sorted(self._seconds, key=lambda name: name == REST)}

    def _add_elapsed(self) -> None:
        self._synchronize()
        now = time.perf_counter()
        self._seconds[self._open[-1]] += now - self._since
        self._since = now


class SwitchableTimer:
    """A timer that forwards to another one, which can be switched: an algorithm keeps the one it was made with."""

    def __init__(self) -> None:
        self._timer: StepTimer = untimed

    def __call__(self, part: str) -> contextlib.AbstractContextManager[Any]:
        """Return the context of the present timer for a part."""
        return self._timer(part)

    @contextlib.contextmanager
    def using(self, timer: StepTimer) -> Iterator[None]:
        """Forward to ``timer`` inside the block."""
        self._timer = timer
        try:
            yield
        finally:
            self._timer = untimed


TRACED_STEPS = 3


def write_trace(bench: StepBenchmark, timer: SwitchableTimer, path: Path) -> None:
    """Trace a few steps, with their parts as ranges, and write the trace; gzipped where the name ends in .gz.

    Raises:
        OutputError: the file cannot be written.
    """
    with timer.using(record_function), profile() as profiler:
        for _ in range(TRACED_STEPS):
            with record_function("step"):
                bench.advance(1)
        bench.synchronize()
    # The profiler only reports to stderr that it could not write.
    with tempfile.TemporaryDirectory(prefix="gan-bench-") as scratch:
        written = Path(scratch) / f"trace{'.json.gz' if path.suffix == '.gz' else '.json'}"
        profiler.export_chrome_trace(str(written))
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(written, path)


@dataclass(frozen=True)
class OperatorTimes:
    """Processor time of a profiled step by operator of torch, which is longer than a step without the profiler.

    Attributes:
        step_milliseconds: of a profiled step.
        milliseconds: of each operator without those that it calls, longest first, on this thread.
    """

    step_milliseconds: float
    milliseconds: Mapping[str, float]


def operator_times(bench: StepBenchmark, steps: int) -> OperatorTimes:
    """Profile several steps, as their mean; taking the times adds about a microsecond to every operator."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        elapsed = bench.time_steps(steps)
    times = {event.key: event.self_cpu_time_total / 1e3 / steps for event in profiler.key_averages()}
    return OperatorTimes(1e3 * elapsed / steps, dict(sorted(times.items(), key=lambda item: -item[1])))
