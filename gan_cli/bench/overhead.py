"""Cost of reports, pictures and checkpoints, measured in a temporary run directory."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from gan_cli.bench.trial import StepBenchmark
from gan_cli.config.schema import TrainSection
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.storage import run_directory
from gan_cli.telemetry.loggers.tracking import TrackerConfig
from gan_cli.training.assembly import AssembledRun, TrainingRun, make_training_run
from gan_cli.training.monitoring import AlarmError

TIMES = 3
# Maximum seconds for the steps before each report.
BETWEEN = 0.2


def cadences(train: TrainSection) -> dict[str, int]:
    """Return the steps between two reports, pictures and checkpoints; 0 for never."""
    return {"report": train.log_every, "picture": train.sample_every, "checkpoint": train.checkpoint_every}


def seconds(bench: StepBenchmark, assembled: AssembledRun[Algorithm]) -> dict[str, float]:
    """Measure how long each keeps training waiting, from the device's last step to the next, as the median of a few."""
    between = min(assembled.plan.config.train.log_every, bench.steps_within(BETWEEN))
    with _started_run(assembled) as run:

        def report() -> None:
            with contextlib.suppress(AlarmError):  # raised when everything is written; the time is the same
                run.callbacks.on_report(bench.step, bench.algorithm)

        actions = {
            "report": report,
            "picture": lambda: run.callbacks.on_preview(bench.step, bench.algorithm),
            "checkpoint": lambda: run.callbacks.on_checkpoint(bench.step, bench.algorithm),
        }
        return {name: _median(bench, between, action) for name, action in actions.items()}


def _median(bench: StepBenchmark, between: int, action: Callable[[], None]) -> float:
    durations = []
    for _ in range(1 + TIMES):
        bench.time_steps(between)
        start = time.perf_counter()
        action()
        bench.synchronize()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations[1:])  # the first one creates folders and tables


@contextlib.contextmanager
def _started_run(assembled: AssembledRun[Algorithm]) -> Iterator[TrainingRun]:
    """Yield the run with its callbacks in a temporary directory, without a display of its progress."""
    composition = assembled.composition
    with tempfile.TemporaryDirectory(prefix="gan-bench-") as scratch:
        directory = run_directory.claim(Path(scratch) / "run")
        directory.write_hydra_config(composition.config, composition.hydra.hydra, composition.overrides)
        own = {name: each for name, each in assembled.plan.loggers.items() if not isinstance(each, TrackerConfig)}
        plan = replace(
            assembled.plan, loggers=own
        )  # trackers would keep a run that is none, and do not keep one waiting
        run = make_training_run(replace(assembled, plan=plan), directory, observers=())
        run.callbacks.on_start(0)
        with contextlib.closing(run.callbacks), contextlib.closing(run.saver):
            yield run
