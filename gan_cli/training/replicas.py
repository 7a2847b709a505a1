"""Runs that are trained as one (``train.replicas``): a directory, callbacks, checkpoints and a summary for each."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from gan_cli.config.automatic import log_choices
from gan_cli.config.compose import Composition
from gan_cli.config.sweep_metric import warn_if_alias
from gan_cli.errors import DivergedError, UserError
from gan_cli.protocols.algorithm import Algorithm, StackedRuns
from gan_cli.protocols.callbacks import CheckpointEvent, EndEvent, PreviewEvent, ReportEvent, StartEvent, StepEvent
from gan_cli.runtime.distributed import SingleProcess
from gan_cli.runtime.interrupts import Interrupts, deadline, exit_on_signal
from gan_cli.storage import run_directory
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.files import WriteErrorHandler
from gan_cli.telemetry import next_steps, run_log
from gan_cli.telemetry.console import HeadlineRecorder, Progress
from gan_cli.training import builder, loop, planning, recovery
from gan_cli.training.assembly import AssembledRun, TrainingRun, assemble_run, make_training_run
from gan_cli.training.initialization import Inheritance, initial_weights
from gan_cli.training.monitoring import AlarmError
from gan_cli.training.preparation import reject_fork
from gan_cli.training.summary import Outcome
from gan_cli.training.thread_adaptation import AfterReports, contention_callback

logger = logging.getLogger(__name__)


@dataclass
class ReplicaRun:
    """One of the runs that are trained as one.

    Attributes:
        run: everything that belongs to it, as if it were trained alone.
        progress: keeps the headline of its latest report.
        outcome: how it ended, or that it has not yet.
    """

    run: TrainingRun
    progress: HeadlineRecorder
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def name(self) -> str:
        """Name of its directory, for messages."""
        return self.run.directory.path.name

    @property
    def is_active(self) -> bool:
        """True while the run reports and saves; one that has diverged stays in the stack, but writes nothing more."""
        return self.outcome.status != "diverged"


def start(composition: Composition, wanted: Path) -> int:
    """Train ``train.replicas`` runs in ``wanted/seed_0``, ``wanted/seed_1`` and so on, and return the exit status."""
    reject_fork(composition)
    with run_log.console() as buffered, exit_on_signal():
        plan = planning.plan(composition.config)
        warn_if_alias(plan.config)
        log_choices(composition.chosen)
        initial = initial_weights(plan.config, plan.family)
        inherited: list[Inheritance] = []

        def prepare(algorithm: Algorithm) -> None:
            if initial is not None:
                inherited.append(initial.give_to(algorithm))

        build = partial(builder.assemble_replicas, prepare=prepare)
        assembled = assemble_run(plan, composition, build, SingleProcess())
        # Checkpoints of all runs are written by one thread, and fail as one.
        saver = BackgroundWriter(WriteErrorHandler(plan.config.train.on_write_error), wanted)
        replicas = assembled.algorithm
        with contextlib.closing(replicas), Interrupts() as interrupted, contextlib.ExitStack() as open_files:
            replica_runs = [_make_replica_run(assembled, index, wanted, saver) for index in range(len(replicas.runs))]
            for replica in replica_runs:
                open_files.enter_context(replica.run.directory.locked())
            for replica, each in zip(replica_runs, inherited, strict=False):
                replica.run.directory.write_origin({"init": each.record()})
            logs = {replica.run.directory: replica.run.errors for replica in replica_runs}
            open_files.enter_context(run_log.copied_to(logs, buffered))
            for line in inherited[0].describe() if inherited else ():
                run_log.single_run_logger.info(line)
            return _train(replicas, replica_runs, saver, interrupted)


def _make_replica_run(
    assembled: AssembledRun[StackedRuns], index: int, wanted: Path, saver: BackgroundWriter
) -> ReplicaRun:
    seed, algorithm = assembled.plan.config.seed + index, assembled.algorithm.runs[index]
    alone = assembled.composition.replica(seed)
    directory = run_directory.claim(wanted / f"seed_{seed}")
    directory.write_hydra_config(alone.config, alone.hydra.hydra, alone.overrides)
    progress = HeadlineRecorder()
    own = AssembledRun(assembled.plan, alone, algorithm, assembled.data, assembled.evaluator, assembled.group)
    return ReplicaRun(make_training_run(own, directory, [progress], saver), progress)


def _train(
    replicas: StackedRuns, replica_runs: Sequence[ReplicaRun], saver: BackgroundWriter, interrupted: Interrupts
) -> int:
    cadence = replica_runs[0].run.plan.config.train
    # Their checkpoints are resumed as single runs, equal within tolerance, not bitwise: no changes to be repeated.
    contention = contention_callback(replica_runs[0].run.plan.device, record=None)
    callbacks = _ReplicaCallbacks(replica_runs, saver, Progress(cadence.steps, cadence.log_every), contention)
    time_is_up = deadline(cadence.max_minutes)

    def stop_requested() -> bool:
        saver.check()
        for replica in replica_runs:
            replica.run.errors.check()
        return interrupted() or time_is_up()

    with _write_summary_at_end(replica_runs, saver), contextlib.closing(callbacks):
        callbacks.on_start()
        logger.info("training %d runs as one in %s", len(replica_runs), replica_runs[0].run.directory.path.parent)
        step = loop.train(replicas, callbacks, cadence, 0, stop_requested)
        saver.finish()
        completed = step >= cadence.steps
        for replica in replica_runs:
            replica.outcome.step = step
            if replica.is_active:
                replica.outcome.status = "completed" if completed else "interrupted"
                replica.run.callbacks.on_end(EndEvent(step, replica.outcome.status))
        diverged = sum(not replica.is_active for replica in replica_runs)
        logger.info("%s at step %d", "completed" if completed else "interrupted", step)
        if diverged:
            logger.warning("%d of %d runs diverged", diverged, len(replica_runs))
        if not completed and not interrupted():
            logger.info("train.max_minutes=%g is over: resume=DIR continues one run", cadence.max_minutes)
        for line in next_steps.after_sweep(replica_runs[0].run.directory.path.parent):
            run_log.single_run_logger.info(line)
        return interrupted.exit_status or (DivergedError.exit_status if diverged else 0)


class _ReplicaCallbacks:
    """Hands each run's part of what happens to its own callbacks; the progress shows the means of their headlines."""

    # One run cannot end before the others: diagnostics.on_alarm=stop and stop.metric are rejected.
    stop_requested = finished = False

    def __init__(
        self, replica_runs: Sequence[ReplicaRun], saver: BackgroundWriter, progress: Progress, contention: AfterReports
    ) -> None:
        self._replica_runs = replica_runs
        self._saver = saver
        self._progress = progress
        self._contention = contention

    def on_start(self) -> None:
        """Start the callbacks of all runs, at step 0."""
        for replica in self._replica_runs:
            replica.run.callbacks.on_start(0)
        self._progress.on_start(StartEvent(0))
        self._contention.on_start(StartEvent(0))

    def on_step(self, step: int) -> None:
        self._progress.on_step(StepEvent(step))

    def on_checkpoint(self, step: int, algorithm: StackedRuns) -> None:
        """Write the states of all runs that are finite, one file after the other."""
        self._saver.wait()  # one at a time
        writes = [
            replica.run.checkpointer.prepare(CheckpointEvent(step, state))
            for replica, state in zip(self._replica_runs, algorithm.states(), strict=True)
            if replica.is_active and _is_savable(replica, step, state)
        ]

        def write() -> None:
            for each in writes:
                each()

        self._saver.submit(write)

    def on_report(self, step: int, algorithm: StackedRuns) -> None:
        """Report each run that has not diverged.

        Raises:
            DivergedError: every run has diverged.
        """
        for replica, report in zip(self._replica_runs, algorithm.report(), strict=True):
            if replica.is_active:
                replica.outcome.step = step
                try:
                    replica.run.callbacks.pass_report(ReportEvent(step, report, algorithm.images_seen))
                except AlarmError as error:
                    _end_diverged(replica, error)
        headlines = [replica.progress.headline for replica in self._replica_runs if replica.is_active]
        if not headlines:
            raise DivergedError(f"training diverged: all {len(self._replica_runs)} runs, by step {step}")
        self._progress.show_metrics(step, {name: fmean(each[name] for each in headlines) for name in headlines[0]})
        self._contention.after_report(step)

    def on_preview(self, step: int, algorithm: StackedRuns) -> None:
        """Show samples of each run that has not diverged."""
        for replica, preview in zip(self._replica_runs, algorithm.preview(), strict=True):
            if replica.is_active:
                replica.run.callbacks.pass_preview(PreviewEvent(step, preview))

    def on_evaluation(self, step: int) -> None:
        """Measure samples of each run that has not diverged."""
        for replica in self._replica_runs:
            if replica.is_active:
                replica.run.callbacks.on_evaluation(step)
                if replica.run.callbacks.evaluation_abandoned:
                    return

    @property
    def evaluation_abandoned(self) -> bool:
        return any(replica.run.callbacks.evaluation_abandoned for replica in self._replica_runs)

    def close(self) -> None:
        """End the progress; the callbacks of the runs are closed with their summaries."""
        self._progress.close()


def _end_diverged(replica: ReplicaRun, error: AlarmError) -> None:
    """Mark a run as diverged, which ends it; the others continue."""
    replica.outcome.status = "diverged"
    logger.warning("%s: %s", replica.name, recovery.divergence_error(error.alarm))
    replica.run.end_by_error(replica.outcome)


def _is_savable(replica: ReplicaRun, step: int, state: dict[str, Any]) -> bool:
    """Return whether a state is finite, and warn if not; the next report raises the alarm."""
    is_finite = recovery.is_finite(state)
    if not is_finite:
        logger.warning("%s: no checkpoint of step %d: not all of it is finite", replica.name, step)
    return is_finite


@contextlib.contextmanager
def _write_summary_at_end(replica_runs: Sequence[ReplicaRun], saver: BackgroundWriter) -> Iterator[None]:
    """Close all callbacks and write every ``summary.json`` at the end of the block, also after an error."""
    try:
        yield
    except BaseException:
        saver.close()
        # The first error is the one to report.
        for replica in replica_runs:
            if replica.is_active:  # of the others, the callbacks know
                with contextlib.suppress(UserError):
                    replica.run.end_by_error(replica.outcome)
            with contextlib.suppress(UserError):
                replica.run.finish(replica.outcome)
        raise
    saver.close()
    for replica in replica_runs:
        replica.run.finish(replica.outcome)
