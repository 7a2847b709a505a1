"""Cost of reports, pictures and checkpoints, measured in a temporary run directory."""

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
from gan_cli.runs.single import checkpoint_state, monitored_telemetry
from gan_cli.runs.summary import hparams
from gan_cli.storage import checkpoints, run_directory
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.files import WriteErrorHandler
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.snapshot import snapshot
from gan_cli.telemetry.console import SilentProgress
from gan_cli.telemetry.recorder import RunTelemetry, TensorBoardLayout

TIMES = 3
# Maximum seconds for the steps before each report.
BETWEEN = 0.2


def cadences(train: TrainSection) -> dict[str, int]:
    """Return the steps between two reports, pictures and checkpoints; 0 for never."""
    return {"report": train.log_every, "picture": train.sample_every, "checkpoint": train.checkpoint_every}


def seconds(bench: StepBenchmark, composition: Composition, plan: Plan) -> dict[str, float]:
    """Measure how long each keeps training waiting, from the device's last step to the next, as the median of a few."""
    train = plan.config.train
    between = min(train.log_every, bench.steps_within(BETWEEN))
    with _sinks(composition, plan) as (directory, sinks, writer):

        def report() -> None:
            with contextlib.suppress(AlarmError):  # raised when everything is written; the time is the same
                sinks.log(bench.step, bench.algorithm.report(), bench.algorithm.images_seen)

        def picture() -> None:
            sinks.show(bench.step, bench.algorithm.preview())

        def save() -> None:
            writer.wait()
            copied, step = snapshot(checkpoint_state(bench.step, bench.algorithm.state_dict(), sinks, None)), bench.step

            def write() -> None:
                sinks.telemetry.fsync()
                checkpoints.save(directory.checkpoints, step, copied.state(), train.keep_checkpoints)

            writer.submit(write)

        actions = {"report": report, "picture": picture, "checkpoint": save}
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
def _sinks(composition: Composition, plan: Plan) -> Iterator[tuple[RunDirectory, MonitoredTelemetry, BackgroundWriter]]:
    """Yield the sinks of a run, without a console."""
    with tempfile.TemporaryDirectory(prefix="gan-bench-") as scratch:
        directory = run_directory.claim(Path(scratch) / "run")
        directory.write_hydra_config(composition.config, composition.hydra.hydra, composition.overrides)
        errors = WriteErrorHandler(plan.config.train.on_write_error)
        telemetry = RunTelemetry(directory, SilentProgress(), errors, TensorBoardLayout.for_family(plan.family))
        telemetry.open(0, hparams(composition), OmegaConf.to_yaml(composition.config))
        writer = BackgroundWriter(errors, directory.checkpoints)
        with contextlib.closing(telemetry), contextlib.closing(writer):
            yield directory, monitored_telemetry(plan, telemetry), writer
