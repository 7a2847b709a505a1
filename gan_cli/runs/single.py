"""One training run from its configuration to its summary: directory, sinks, signals, checkpoints and the loop."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from gan_cli.config.compose import Composition
from gan_cli.config.diagnostics import OnAlarm
from gan_cli.config.schema import Config, NonFinite
from gan_cli.config.sweep_metric import SweepMetric, warn_if_alias
from gan_cli.data.fingerprint import DataIdentity, data_identity, reject_changed_data
from gan_cli.diagnostics.monitor import Alarm, AlarmMonitor
from gan_cli.diagnostics.rules import NON_FINITE
from gan_cli.errors import ConfigError, DataError, DivergedError, UserError
from gan_cli.evaluation import factory
from gan_cli.evaluation.evaluator import SampleEvaluator
from gan_cli.evaluation.text import QUICK_SIZE, sequence_evaluator
from gan_cli.inference import loading
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.protocols.data import LoadedData, Sequences
from gan_cli.runs import builder, follower, loop, recovery
from gan_cli.runs.follower import Rank0Telemetry
from gan_cli.runs.monitoring import AlarmError, MonitoredTelemetry
from gan_cli.runs.summary import Outcome, hparams, summary
from gan_cli.runtime import distributed, torchrun
from gan_cli.runtime.distributed import ProcessGroup, SingleProcess
from gan_cli.runtime.interrupts import Interrupts, deadline, exit_on_signal
from gan_cli.storage import checkpoints, run_directory
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.files import WriteErrorHandler
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.snapshot import snapshot
from gan_cli.telemetry import run_log
from gan_cli.telemetry.console import Console
from gan_cli.telemetry.recorder import RunTelemetry, TensorBoardLayout

logger = logging.getLogger(__name__)


def dry_run(composition: Composition) -> str:
    """Check and build everything but the data, and return a description of the run for a person."""
    plan = builder.plan(composition.config)
    with run_log.console():
        warn_if_alias(plan.config)
    return plan.summary()


def start(composition: Composition, wanted: Path) -> int:
    """Train in a new run directory, ``wanted`` or the next free name like it, and return the exit status."""
    with run_log.console() as buffered, exit_on_signal(), distributed.process_group() as group:
        plan = _checked_plan(composition, group)
        source = distributed.local_rank0_first(group, plan.dataset.load)
        data = data_identity(source)
        evaluator = make_evaluator(plan, source)
        algorithm = builder.assemble(plan, source=source, group=group)
        # From the moment there is a directory, a signal has to leave it complete, with a checkpoint.
        with contextlib.closing(algorithm), Interrupts() as interrupted:
            if group.rank > 0:
                return follower.run_worker(algorithm, plan.config.train, group, 0, interrupted)
            directory = run_directory.claim(wanted)
            torchrun.store_run_directory(directory.path)
            directory.write_hydra_config(composition.config, composition.hydra.hydra, composition.overrides)
            errors = WriteErrorHandler(plan.config.train.on_write_error)
            with directory.locked(), run_log.copied_to({directory: errors}, buffered):
                run = _make_run(plan, composition, algorithm, directory, errors, data, evaluator, group)
                return _train(run, 0, interrupted)


def resume(composition: Composition, directory: RunDirectory) -> int:
    """Resume the run of ``directory`` from its latest undamaged checkpoint, and return the exit status."""
    with (
        run_log.console() as buffered,
        exit_on_signal(),
        distributed.process_group() as group,
        follower.locked_by_rank0(directory, group),
    ):
        plan = _checked_plan(composition, group)
        state = group.broadcast_from_rank0(lambda: checkpoints.load_latest(directory.checkpoints))
        follower.warn_if_world_size_changed(state, group)
        torchrun.store_run_directory(directory.path)
        if plan.config.device.threads is None:
            with loading.checkpoint_errors(directory):
                # With another number of threads, floating-point sums are rounded differently.
                torch.set_num_threads(int(state["threads"]))
        source = distributed.local_rank0_first(group, plan.dataset.load)
        data = _require_same_data(plan, directory, state, data_identity(source))
        evaluator = make_evaluator(plan, source)
        algorithm = builder.assemble(plan, source=source, group=group)
        errors = WriteErrorHandler(plan.config.train.on_write_error)
        if group.rank > 0:
            with contextlib.closing(algorithm), Interrupts() as interrupted:
                with loading.checkpoint_errors(directory):
                    algorithm.load_state_dict(state["algorithm"])
                return follower.run_worker(algorithm, plan.config.train, group, int(state["step"]), interrupted)
        with contextlib.closing(algorithm), run_log.copied_to({directory: errors}, buffered):
            run = _make_run(plan, composition, algorithm, directory, errors, data, evaluator, group)
            with loading.checkpoint_errors(directory):
                step = int(state["step"])
                algorithm.load_state_dict(state["algorithm"])
                run.sinks.load_state_dict(state["sinks"])
            logger.info("going on from step %d in %s", step, directory.path)
            with Interrupts() as interrupted:
                return _train(run, step, interrupted)


def _checked_plan(composition: Composition, group: ProcessGroup) -> builder.Plan:
    """Return the plan of a run; raises ``ConfigError`` if it cannot be trained by this many processes."""
    plan = builder.plan(composition.config)
    warn_if_alias(plan.config)
    if group.size > 1 and _may_roll_back(plan.config):
        raise ConfigError(
            "diagnostics.on_alarm, train.non_finite: expected no rollback with several processes, got rollback:"
            " resume=DIR goes back to the last checkpoint"
        )
    return plan


def _require_same_data(
    plan: builder.Plan, directory: RunDirectory, state: dict[str, Any], current: DataIdentity | None
) -> DataIdentity | None:
    """Return the identity of the present data; raises ``DataError`` where it has changed and that is not allowed."""
    try:
        with loading.checkpoint_errors(directory):
            reject_changed_data(state.get("data"), current)  # checkpoints of older versions lack it
    except DataError as error:
        if not plan.config.train.allow_changed_data:
            raise
        logger.warning("%s", error)
    return current


@dataclass(frozen=True)
class TrainingRun:
    """Everything that belongs to one run while it trains.

    Attributes:
        plan: what is trained.
        composition: the configuration as Hydra composed it.
        algorithm: the networks and their optimizers.
        directory: where the run writes.
        sinks: where its reports go, behind the alarm monitor.
        errors: policy for write errors.
        saver: writes checkpoints in the background.
        data: identity of the data, for checkpoints; None where there is none.
        evaluator: measures samples; None without ``train.eval_every``.
        group: the processes of the run.
    """

    plan: builder.Plan
    composition: Composition
    algorithm: Algorithm
    directory: RunDirectory
    sinks: MonitoredTelemetry
    errors: WriteErrorHandler
    saver: BackgroundWriter
    data: DataIdentity | None
    evaluator: SampleEvaluator | None = None
    group: ProcessGroup = field(default_factory=SingleProcess)

    def evaluate(self, step: int) -> None:
        """Measure samples on rank 0 and write the metrics, if there is an evaluator."""
        if self.evaluator is not None:
            evaluator = self.evaluator
            self.group.broadcast_from_rank0(lambda: self.sinks.log_evaluation(step, self._sample_metrics(evaluator)))

    def _sample_metrics(self, evaluator: SampleEvaluator) -> dict[str, float]:
        """Return the metrics of samples, without those that the reports of the algorithm contain."""
        reported = self.plan.family.reports(self.plan.loss)
        metrics = evaluator(self.algorithm.samples).metrics
        return {name: value for name, value in metrics.items() if f"metrics/{name}" not in reported}

    def save(self, step: int) -> None:
        """Write a checkpoint of the state right after the update that led to ``step``, in the background."""
        state = self.algorithm.state_dict()  # gathers the shards of all ranks

        def start_write() -> None:
            # One at a time: a disk too slow for train.checkpoint_every blocks training here instead of filling memory.
            self.saver.wait()
            self.saver.submit(self.checkpoint_writer(step, state))

        self.group.broadcast_from_rank0(start_write)

    def checkpoint_writer(self, step: int, algorithm: dict[str, Any]) -> Callable[[], None]:
        """Copy the state of ``step`` to the host, and return a function that writes it to disk, from any thread."""
        copied = snapshot(checkpoint_state(step, algorithm, self.sinks, self.data, self.group.size))

        def write() -> None:
            self.sinks.telemetry.fsync()  # a resume reports nothing from before this checkpoint again
            keep = self.plan.config.train.keep_checkpoints
            checkpoints.save(self.directory.checkpoints, step, copied.state(), keep)

        return write

    def open(self, step: int) -> None:
        """Open the sinks, to write reports of ``step`` and later."""
        config = OmegaConf.to_yaml(self.composition.config)
        self.sinks.telemetry.open(step, hparams(self.composition), config)


def _make_run(
    plan: builder.Plan,
    composition: Composition,
    algorithm: Algorithm,
    directory: RunDirectory,
    errors: WriteErrorHandler,
    data: DataIdentity | None,
    evaluator: SampleEvaluator | None,
    group: ProcessGroup,
) -> TrainingRun:
    console = Console(plan.config.train.steps, torch.get_num_threads())
    telemetry = RunTelemetry(directory, console, errors, TensorBoardLayout.for_family(plan.family))
    saver = BackgroundWriter(errors, directory.checkpoints)
    return TrainingRun(
        plan,
        composition,
        algorithm,
        directory,
        monitored_telemetry(plan, telemetry),
        errors,
        saver,
        data,
        evaluator,
        group,
    )


def make_evaluator(plan: builder.Plan, source: LoadedData) -> SampleEvaluator | None:
    """Make the evaluator for ``train.eval_every``, or None; to be called before the algorithm seeds its weights."""
    config = plan.config
    if not config.train.eval_every:
        return None
    evaluator: SampleEvaluator
    if isinstance(source, Sequences):
        extent, device = replace(QUICK_SIZE, count=config.evaluation.samples), plan.device.torch_device
        evaluator = sequence_evaluator(plan.dataset, source, config.train.held_out, config.seed, extent, device=device)
    else:
        evaluator = factory.training_evaluator(
            config, plan.dataset, source, config.train.held_out, plan.device.torch_device
        )
    metric = SweepMetric.from_config(config)
    if metric is not None and metric.tag.startswith("metrics/"):
        # The metrics of real samples have the names of all metrics, and are cached, so that they cost time only once.
        metric.require_available([f"metrics/{name}" for name in evaluator.floor()])
    return evaluator


def monitored_telemetry(plan: builder.Plan, telemetry: RunTelemetry) -> MonitoredTelemetry:
    """Return the sinks behind the alarm monitor that the plan configures."""
    limits = plan.config.diagnostics
    monitor = AlarmMonitor(limits, plan.family.alarm_rules(limits, plan.loss), plan.config.non_finite)
    return MonitoredTelemetry(telemetry, monitor, limits.on_alarm)


def checkpoint_state(
    step: int, algorithm: dict[str, Any], sinks: MonitoredTelemetry, data: DataIdentity | None, processes: int = 1
) -> dict[str, Any]:
    """Return the content of a checkpoint: plain values, tensors and the states of algorithm and sinks."""
    return {
        "step": step,
        "threads": torch.get_num_threads(),
        "processes": processes,
        "algorithm": algorithm,
        "sinks": sinks.state_dict(),
        "data": data,
    }


def _train(run: TrainingRun, step: int, interrupted: Interrupts) -> int:
    """Train from ``step`` on, write the summary however that ends, and return the exit status."""
    cadence, telemetry, outcome = run.plan.config.train, run.sinks.telemetry, Outcome(step=step)
    time_is_up = deadline(cadence.max_minutes)

    def stop_requested() -> bool:
        run.saver.check()
        run.errors.check()
        return interrupted() or time_is_up()

    with _write_summary_at_end(run, outcome):
        logger.info("training in %s", run.directory.path)
        run.open(step)
        if step == 0 and _may_roll_back(run.plan.config):
            run.save(0)  # so that there is always a checkpoint to roll back to
        try:
            reached = _train_with_rollbacks(run, step, stop_requested)
            run.saver.finish()  # before all else: after an interrupt the process may be killed at any moment
        except UserError as error:
            outcome.status = "diverged" if isinstance(error, DivergedError) else "failed"
            outcome.step = run.sinks.step or step
            raise
        outcome.step, outcome.status = reached, "completed"
        if reached < cadence.steps:
            outcome.status = "stopped" if run.sinks.stop_requested else "interrupted"
        telemetry.finish()
        run.errors.check()
        logger.info(
            "%s at step %d after %.1f s: %s", outcome.status, outcome.step, telemetry.seconds, run.directory.path
        )
        if outcome.status == "interrupted" and time_is_up():
            logger.info("train.max_minutes=%g is over: resume=%s goes on", cadence.max_minutes, run.directory.path)
        # A signal that came too late to interrupt this run still asks the process to end: a sweep has further jobs.
        exit_status = max(run.group.all_gather_object(interrupted.exit_status))
        return DivergedError.exit_status if outcome.status == "stopped" else exit_status


def _train_with_rollbacks(run: TrainingRun, step: int, stop_requested: Callable[[], bool]) -> int:
    """Train, with rollbacks where they are configured, and return the step that was reached.

    Args:
        run: what to train.
        step: updates made so far.
        stop_requested: returns whether this process has been asked to end the run.

    Raises:
        DivergedError: an alarm ends the run.
    """
    sinks, config, resumed = run.sinks, run.plan.config, step > 0
    limits, telemetry = config.diagnostics, Rank0Telemetry(sinks, run.group)
    any_stop_requested = run.group.any_rank(stop_requested)
    while True:
        try:
            return loop.train(
                run.algorithm,
                telemetry,
                recovery.guard_save(run.algorithm, telemetry, run.save),
                config.train,
                step,
                lambda: any_stop_requested() or telemetry.stop_requested,
                run.evaluate,
            )
        except AlarmError as error:
            run.saver.wait()  # recovery reads checkpoints
            alarm = error.alarm
            if alarm.name == NON_FINITE:
                alarm = _locate_first_nonfinite(run, alarm, error.since, stop_requested)
                if config.non_finite is not NonFinite.rollback:
                    as_error = recovery.repeated_divergence_error if resumed else recovery.divergence_error
                    raise as_error(alarm) from error
            sinks.telemetry.close()
            step = recovery.roll_back(alarm, limits, run.algorithm, sinks, run.directory)
            run.open(step)
            run.save(step)  # with the adjusted settings, for a resume


def _may_roll_back(config: Config) -> bool:
    """Return whether any alarm leads to a rollback."""
    return config.non_finite is NonFinite.rollback or config.diagnostics.on_alarm is OnAlarm.rollback


def _locate_first_nonfinite(run: TrainingRun, alarm: Alarm, since: int, interrupted: Callable[[], bool]) -> Alarm:
    """Replay the run to find the first tensor that was not finite, and return the alarm with its name appended.

    The state in which it is found is saved for inspection; the present one where the replay does not find it.
    """
    threads, state = torch.get_num_threads(), recovery.latest_finite_state(run.directory, since or alarm.step)
    if state is None and since:
        state = recovery.latest_finite_state(run.directory, alarm.step)
    logger.info("replaying the run, to find the first tensor that was not finite")
    plan = builder.plan(run.composition.config)
    torch.set_num_threads(threads)  # with another number, which the plan may have chosen, sums are rounded differently
    with contextlib.closing(builder.assemble(plan)) as replayed:
        first = recovery.find_first_nonfinite(replayed, state, range(since, alarm.step + 1), interrupted)
        if not run.group.broadcast_from_rank0(lambda: first is None):
            assert first is not None
            message = f"the first tensor that was not finite: {first.tensor}, after step {first.step}"
            file = recovery.save_nonfinite_state(run.directory, replayed, first.step)
        else:
            message = "the replay was interrupted" if interrupted() else "it did not come again in the replay"
            file = recovery.save_nonfinite_state(run.directory, run.algorithm, alarm.step)
    if file is not None:
        message += f" (its state: {file})"
    logger.warning(message)
    return run.sinks.monitor.append_to_message(alarm, message)


@contextlib.contextmanager
def _write_summary_at_end(run: TrainingRun, outcome: Outcome) -> Iterator[None]:
    """Close the sinks and write ``summary.json`` at the end of the block, also after an error."""
    try:
        yield
    except BaseException:
        run.saver.close()
        # The first error is the one to report; on a full disk the summary may fail as well.
        with contextlib.suppress(UserError):
            finish(run, outcome)
        raise
    run.saver.close()
    finish(run, outcome)


def finish(run: TrainingRun, outcome: Outcome) -> None:
    """Write the summary of a run and close its sinks."""
    content = summary(outcome, run.algorithm, run.sinks, run.plan.device)
    with run.errors.writing("summary.json", run.directory.summary):
        run.directory.write_summary(content)
    run.sinks.telemetry.close()
