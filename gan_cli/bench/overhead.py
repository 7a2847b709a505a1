"""What reports, pictures and checkpoints cost each time, in a run directory that is thrown away."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from omegaconf import OmegaConf

from gan_cli.bench.trial import StepBenchmark
from gan_cli.config.compose import Composition
from gan_cli.config.schema import TrainSection
from gan_cli.runs.builder import Plan
from gan_cli.runs.monitoring import AlarmError, MonitoredTelemetry
from gan_cli.runs.single import monitored_telemetry, checkpoint_state
from gan_cli.runs.summary import hparams
from gan_cli.storage import checkpoints, run_directory
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.files import WriteErrorHandler
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.snapshot import snapshot
from gan_cli.telemetry.console import SilentProgress
from gan_cli.telemetry.recorder import TensorBoardLayout, RunTelemetry

TIMES = 3
# Seconds to spend at most on the steps that a report is about.
BETWEEN = 0.2


def cadences(train: TrainSection) -> dict[str, int]:
    """Steps between two times of each; 0: never."""
    return {"report": train.log_every, "picture": train.sample_every, "checkpoint": train.checkpoint_every}


def seconds(trial: StepBenchmark, composition: Composition, plan: Plan) -> dict[str, float]:
    """Seconds that each keeps training waiting, from the device's last step to the next: the median of a few times."""
    train = plan.config.train
    between = min(train.log_every, trial.steps_within(BETWEEN))
    with _sinks(composition, plan) as (directory, sinks, writer):

        def report() -> None:
            with contextlib.suppress(AlarmError):  # raised when all is written; the time is the same
                sinks.log(trial.step, trial.algorithm.report(), trial.algorithm.images_seen)

        def picture() -> None:
            sinks.show(trial.step, trial.algorithm.preview())

        def save() -> None:
            writer.wait()
            copied, step = snapshot(checkpoint_state(trial.step, trial.algorithm.state_dict(), sinks, None)), trial.step

            def write() -> None:
                sinks.telemetry.fsync()
                checkpoints.save(directory.checkpoints, step, copied.state(), train.keep_checkpoints)

            writer.submit(write)

        acts = {"report": report, "picture": picture, "checkpoint": save}
        return {name: _median(trial, between, act) for name, act in acts.items()}


def _median(trial: StepBenchmark, between: int, act: Callable[[], None]) -> float:
    spent = []
    for _ in range(1 + TIMES):
        trial.time_steps(between)
        start = time.perf_counter()
        act()
        trial.synchronize()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent[1:])  # the first one makes folders and tables


@contextlib.contextmanager
def _sinks(composition: Composition, plan: Plan) -> Iterator[tuple[RunDirectory, MonitoredTelemetry, BackgroundWriter]]:
    """Sinks as a run has them, but for the console."""
    with tempfile.TemporaryDirectory(prefix="gan-bench-") as scratch:
        directory = run_directory.claim(Path(scratch) / "run")
        directory.write_hydra_config(composition.config, composition.hydra.hydra, composition.overrides)
        errors = WriteErrorHandler(plan.config.train.on_write_error)
        telemetry = RunTelemetry(directory, SilentProgress(), errors, TensorBoardLayout.of(plan.family))
        telemetry.open(0, hparams(composition), OmegaConf.to_yaml(composition.config))
        writer = BackgroundWriter(errors, directory.checkpoints)
        with contextlib.closing(telemetry), contextlib.closing(writer):
            yield directory, monitored_telemetry(plan, telemetry), writer
