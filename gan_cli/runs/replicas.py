"""Runs that are trained as one (``train.replicas``): a directory, sinks, checkpoints and a summary for each."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.algorithms.gan.vmap_replicas import Replicas
from gan_cli.config.compose import Composition
from gan_cli.config.sweep_metric import warn_if_alias
from gan_cli.data.fingerprint import DataIdentity, data_identity
from gan_cli.errors import DivergedError, UserError
from gan_cli.evaluation.evaluator import SampleEvaluator
from gan_cli.protocols.algorithm import Preview, Report
from gan_cli.runs import builder, loop, recovery
from gan_cli.runs.monitoring import AlarmError, MonitoredTelemetry
from gan_cli.runs.single import TrainingRun, finish, make_evaluator, monitored_telemetry
from gan_cli.runs.summary import Outcome
from gan_cli.runtime.interrupts import Interrupts, deadline, exit_on_signal
from gan_cli.storage import run_directory
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.files import WriteErrorHandler
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.telemetry import run_log
from gan_cli.telemetry.console import Console, SilentProgress
from gan_cli.telemetry.recorder import RunTelemetry, TensorBoardLayout

logger = logging.getLogger(__name__)


@dataclass
class ReplicaRun:
    """One of the runs that are trained as one.

    Attributes:
        run: everything that belongs to it, as if it were trained alone.
        algorithm: its networks and optimizers.
        progress: keeps the headline of its latest report.
        outcome: how it ended, or that it has not yet.
    """

    run: TrainingRun
    algorithm: GANTrainer
    progress: SilentProgress
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def directory(self) -> RunDirectory:
        """Run directory of its own."""
        return self.run.directory

    @property
    def sinks(self) -> MonitoredTelemetry:
        """Telemetry of its own, behind an alarm monitor of its own."""
        return self.run.sinks

    @property
    def is_active(self) -> bool:
        """True while the run reports and saves; one that has diverged stays in the stack, but writes nothing more."""
        return self.outcome.status != "diverged"


def start(composition: Composition, wanted: Path) -> int:
    """Train ``train.replicas`` runs in ``wanted/seed_0``, ``wanted/seed_1`` and so on, and return the exit status."""
    with run_log.console() as buffered, exit_on_signal():
        plan = builder.plan(composition.config)
        warn_if_alias(plan.config)
        source = plan.dataset.load()
        data = data_identity(source)
        evaluator = make_evaluator(plan, source)
        replicas = builder.assemble_replicas(plan, source)
        # Checkpoints of all runs are written by one thread, and fail as one.
        saver = BackgroundWriter(WriteErrorHandler(plan.config.train.on_write_error), wanted)
        with contextlib.closing(replicas), Interrupts() as interrupted, contextlib.ExitStack() as open_files:
            replica_runs = [
                _make_replica_run(plan, composition, algorithm, wanted, saver, data) for algorithm in replicas.runs
            ]
            for replica in replica_runs:
                open_files.enter_context(replica.directory.locked())
            open_files.enter_context(
                run_log.copied_to({each.directory: each.run.errors for each in replica_runs}, buffered)
            )
            return _train(replicas, replica_runs, saver, evaluator, interrupted)


def _make_replica_run(
    plan: builder.Plan,
    composition: Composition,
    algorithm: GANTrainer,
    wanted: Path,
    saver: BackgroundWriter,
    data: DataIdentity | None,
) -> ReplicaRun:
    single = composition.replica(algorithm.context.seed)
    directory = run_directory.claim(wanted / f"seed_{algorithm.context.seed}")
    directory.write_hydra_config(single.config, single.hydra.hydra, single.overrides)
    progress, errors = SilentProgress(), WriteErrorHandler(plan.config.train.on_write_error)
    telemetry = RunTelemetry(directory, progress, errors, TensorBoardLayout.for_family(plan.family))
    sinks = monitored_telemetry(plan, telemetry)
    return ReplicaRun(TrainingRun(plan, single, algorithm, directory, sinks, errors, saver, data), algorithm, progress)


def _train(
    replicas: Replicas,
    replica_runs: Sequence[ReplicaRun],
    saver: BackgroundWriter,
    evaluator: SampleEvaluator | None,
    interrupted: Interrupts,
) -> int:
    cadence = replica_runs[0].run.plan.config.train
    sinks = _ReplicaSinks(replica_runs, evaluator, Console(cadence.steps, torch.get_num_threads()))
    time_is_up = deadline(cadence.max_minutes)

    def save(step: int) -> None:
        saver.wait()  # one at a time
        writes = [
            replica.run.checkpoint_writer(step, state)
            for replica, state in zip(replica_runs, replicas.states(), strict=True)
            if replica.is_active and _is_savable(replica, step, state)
        ]

        def write() -> None:
            for each in writes:
                each()

        saver.submit(write)

    def stop_requested() -> bool:
        saver.check()
        for replica in replica_runs:
            replica.run.errors.check()
        return interrupted() or time_is_up()

    with _write_summary_at_end(replica_runs, saver), contextlib.closing(sinks):
        sinks.open()
        logger.info("training %d runs as one in %s", len(replica_runs), replica_runs[0].directory.path.parent)
        step = loop.train(replicas, sinks, save, cadence, 0, stop_requested, sinks.evaluate)
        saver.finish()
        completed = step >= cadence.steps
        for replica in replica_runs:
            replica.outcome.step = step
            if replica.is_active:
                replica.outcome.status = "completed" if completed else "interrupted"
                replica.sinks.telemetry.finish()
        diverged = sum(not replica.is_active for replica in replica_runs)
        logger.info("%s at step %d", "completed" if completed else "interrupted", step)
        if diverged:
            logger.warning("%d of %d runs diverged", diverged, len(replica_runs))
        if not completed and not interrupted():
            logger.info("train.max_minutes=%g is over: resume=DIR goes on with one run", cadence.max_minutes)
        return interrupted.exit_status or (DivergedError.exit_status if diverged else 0)


def _is_savable(replica: ReplicaRun, step: int, state: dict[str, Any]) -> bool:
    """Return whether a state is finite, and warn if not; the next report raises the alarm."""
    is_finite = recovery.is_finite(state)
    if not is_finite:
        logger.warning("%s: no checkpoint of step %d: not all of it is finite", replica.directory.path.name, step)
    return is_finite


class _ReplicaSinks:
    """Sinks of all runs; the console shows the means of their headlines."""

    def __init__(self, replica_runs: Sequence[ReplicaRun], evaluator: SampleEvaluator | None, console: Console) -> None:
        self._replica_runs = replica_runs
        self._evaluator = evaluator
        self._console = console

    def open(self) -> None:
        """Open the sinks of all runs, at step 0."""
        for replica in self._replica_runs:
            replica.run.open(0)
        self._console.open(0)

    def advance(self) -> None:
        """Move the progress on by a step."""
        self._console.advance()

    def log(self, step: int, report: Sequence[Report], images_seen: int) -> None:
        """Write the report of each run that has not diverged.

        Raises:
            DivergedError: every run has diverged.
        """
        for replica, each in zip(self._replica_runs, report, strict=True):
            if replica.is_active:
                replica.outcome.step = step
                try:
                    replica.sinks.log(step, each, images_seen)
                except AlarmError as error:
                    replica.outcome.status = "diverged"
                    logger.warning("%s: %s", replica.directory.path.name, recovery.divergence_error(error.alarm))
        headlines = [replica.progress.headline for replica in self._replica_runs if replica.is_active]
        if not headlines:
            raise DivergedError(f"training diverged: all {len(self._replica_runs)} runs, by step {step}")
        self._console.show_metrics(step, {name: fmean(each[name] for each in headlines) for name in headlines[0]})

    def show(self, step: int, preview: Sequence[Preview]) -> None:
        """Write the preview samples of each run that has not diverged."""
        for replica, each in zip(self._replica_runs, preview, strict=True):
            if replica.is_active:
                replica.sinks.show(step, each)

    def evaluate(self, step: int) -> None:
        """Measure samples of each run that has not diverged, if there is an evaluator."""
        for replica in self._replica_runs:
            if replica.is_active and self._evaluator is not None:
                replica.sinks.log_evaluation(step, self._evaluator(replica.algorithm.samples).metrics)

    def close(self) -> None:
        """Close the console; the sinks of the runs are closed with their summaries."""
        self._console.close()


@contextlib.contextmanager
def _write_summary_at_end(replica_runs: Sequence[ReplicaRun], saver: BackgroundWriter) -> Iterator[None]:
    """Close all sinks and write every ``summary.json`` at the end of the block, also after an error."""
    try:
        yield
    except BaseException:
        saver.close()
        # The first error is the one to report.
        for replica in replica_runs:
            with contextlib.suppress(UserError):
                finish(replica.run, replica.outcome)
        raise
    saver.close()
    for replica in replica_runs:
        finish(replica.run, replica.outcome)
