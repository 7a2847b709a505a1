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
from gan_cli.runs.single import TrainingRun, monitored_telemetry, make_evaluator, finish
from gan_cli.runs.summary import Outcome
from gan_cli.runtime.interrupts import Interrupts, deadline, exit_on_signal
from gan_cli.storage import run_directory
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.files import WriteErrorHandler
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.telemetry import run_log
from gan_cli.telemetry.console import Console, SilentProgress
from gan_cli.telemetry.recorder import TensorBoardLayout, RunTelemetry

logger = logging.getLogger(__name__)


@dataclass
class ReplicaRun:
    """One of the runs.

    Attributes:
        run: all that belongs to it, as if it were trained alone.
        algorithm: what is trained.
        progress: keeps its latest figures.
        outcome: how it ended, or that it has not yet.
    """

    run: TrainingRun
    algorithm: GANTrainer
    progress: SilentProgress
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def directory(self) -> RunDirectory:
        """Where it writes."""
        return self.run.directory

    @property
    def sinks(self) -> MonitoredTelemetry:
        """Where it writes, and the doctor that looks at it."""
        return self.run.sinks

    @property
    def is_active(self) -> bool:
        """Whether there is still something to write: a run that has diverged is trained along, and that is all."""
        return self.outcome.status != "diverged"


def start(composition: Composition, wanted: Path) -> int:
    """Train ``train.replicas`` runs in ``wanted/seed_0``, ``wanted/seed_1`` and so on; returns the exit status."""
    with run_log.console() as kept, exit_on_signal():
        plan = builder.plan(composition.config)
        warn_if_alias(plan.config)
        source = plan.dataset.load()
        data = data_identity(source)
        evaluator = make_evaluator(plan, source)
        replicas = builder.assemble_replicas(plan, source)
        # Checkpoints of all runs are written by one thread, and fail as one.
        saver = BackgroundWriter(WriteErrorHandler(plan.config.train.on_write_error), wanted)
        with contextlib.closing(replicas), Interrupts() as interrupted, contextlib.ExitStack() as open_files:
            members = [
                _make_replica_run(plan, composition, algorithm, wanted, saver, data) for algorithm in replicas.runs
            ]
            for member in members:
                open_files.enter_context(member.directory.locked())
            open_files.enter_context(run_log.copied_to({each.directory: each.run.errors for each in members}, kept))
            return _train(replicas, members, saver, evaluator, interrupted)


def _make_replica_run(
    plan: builder.Plan,
    composition: Composition,
    algorithm: GANTrainer,
    wanted: Path,
    saver: BackgroundWriter,
    data: DataIdentity | None,
) -> ReplicaRun:
    alone = composition.replica(algorithm.context.seed)
    directory = run_directory.claim(wanted / f"seed_{algorithm.context.seed}")
    directory.write_hydra_config(alone.config, alone.hydra.hydra, alone.overrides)
    progress, errors = SilentProgress(), WriteErrorHandler(plan.config.train.on_write_error)
    sinks = monitored_telemetry(plan, RunTelemetry(directory, progress, errors, TensorBoardLayout.of(plan.family)))
    return ReplicaRun(TrainingRun(plan, alone, algorithm, directory, sinks, errors, saver, data), algorithm, progress)


def _train(
    replicas: Replicas,
    members: Sequence[ReplicaRun],
    saver: BackgroundWriter,
    evaluator: SampleEvaluator | None,
    interrupted: Interrupts,
) -> int:
    cadence = members[0].run.plan.config.train
    sinks = _ReplicaSinks(members, evaluator, Console(cadence.steps, torch.get_num_threads()))
    over = deadline(cadence.max_minutes)

    def save(step: int) -> None:
        saver.wait()  # one at a time
        writes = [
            member.run.checkpoint_writer(step, state)
            for member, state in zip(members, replicas.states(), strict=True)
            if member.is_active and _is_savable(member, step, state)
        ]

        def write() -> None:
            for each in writes:
                each()

        saver.submit(write)

    def ending() -> bool:
        saver.check()
        for member in members:
            member.run.errors.check()
        return interrupted() or over()

    with _write_summary_at_end(members, saver), contextlib.closing(sinks):
        sinks.open()
        logger.info("training %d runs as one in %s", len(members), members[0].directory.path.parent)
        step = loop.train(replicas, sinks, save, cadence, 0, ending, sinks.evaluate)
        saver.finish()
        completed = step >= cadence.steps
        for member in members:
            member.outcome.step = step
            if member.is_active:
                member.outcome.status = "completed" if completed else "interrupted"
                member.sinks.telemetry.finish()
        diverged = sum(not member.is_active for member in members)
        logger.info("%s at step %d", "completed" if completed else "interrupted", step)
        if diverged:
            logger.warning("%d of %d runs diverged", diverged, len(members))
        if not completed and not interrupted():
            logger.info("train.max_minutes=%g is over: resume=DIR goes on with one run", cadence.max_minutes)
        return interrupted.exit_status or (DivergedError.exit_status if diverged else 0)


def _is_savable(member: ReplicaRun, step: int, state: dict[str, Any]) -> bool:
    """Whether a state is fit to be saved; if not, the next report says what is wrong with it."""
    sound = recovery.is_finite(state)
    if not sound:
        logger.warning("%s: no checkpoint of step %d: not all of it is finite", member.directory.path.name, step)
    return sound


class _ReplicaSinks:
    """The sinks of all runs, and one progress for all of them: mean figures."""

    def __init__(self, members: Sequence[ReplicaRun], evaluator: SampleEvaluator | None, console: Console) -> None:
        self._members = members
        self._evaluator = evaluator
        self._console = console

    def open(self) -> None:
        """Open all sinks."""
        for member in self._members:
            member.run.open(0)
        self._console.open(0)

    def advance(self) -> None:
        """One more step is done."""
        self._console.advance()

    def log(self, step: int, report: Sequence[Report], images_seen: int) -> None:
        """Write each run's report.

        Raises:
            DivergedError: every run has diverged.
        """
        for member, each in zip(self._members, report, strict=True):
            if member.is_active:
                member.outcome.step = step
                try:
                    member.sinks.log(step, each, images_seen)
                except AlarmError as error:
                    member.outcome.status = "diverged"
                    logger.warning("%s: %s", member.directory.path.name, recovery.divergence_error(error.alarm))
        said = [member.progress.headline for member in self._members if member.is_active]
        if not said:
            raise DivergedError(f"training diverged: all {len(self._members)} runs, by step {step}")
        self._console.show_metrics(step, {name: fmean(headline[name] for headline in said) for name in said[0]})

    def show(self, step: int, preview: Sequence[Preview]) -> None:
        """Write each run's samples."""
        for member, each in zip(self._members, preview, strict=True):
            if member.is_active:
                member.sinks.show(step, each)

    def evaluate(self, step: int) -> None:
        """Measure each run's samples, where that is wanted at all."""
        for member in self._members:
            if member.is_active and self._evaluator is not None:
                member.sinks.log_evaluation(step, self._evaluator(member.algorithm.samples).metrics)

    def close(self) -> None:
        """Close the progress."""
        self._console.close()


@contextlib.contextmanager
def _write_summary_at_end(members: Sequence[ReplicaRun], saver: BackgroundWriter) -> Iterator[None]:
    """Close all sinks and write every ``summary.json`` at the end, whatever the end is."""
    try:
        yield
    except BaseException:
        saver.close()
        # The first error is the one to tell.
        for member in members:
            with contextlib.suppress(UserError):
                finish(member.run, member.outcome)
        raise
    saver.close()
    for member in members:
        finish(member.run, member.outcome)
