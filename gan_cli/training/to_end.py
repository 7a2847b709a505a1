"""Training of an assembled run to its end: the loop, rollbacks, the summary and the exit status."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

import torch

from gan_cli.config.schema import NonFinite
from gan_cli.diagnostics.rules import NON_FINITE
from gan_cli.errors import DivergedError, UserError
from gan_cli.protocols.callbacks import Alarm, EndEvent
from gan_cli.runtime.interrupts import Interrupts, deadline
from gan_cli.storage import thread_record
from gan_cli.telemetry import next_steps, run_log
from gan_cli.training import builder, loop, planning, recovery
from gan_cli.training.announcements import describe_alarms
from gan_cli.training.assembly import TrainingRun
from gan_cli.training.monitoring import AlarmError
from gan_cli.training.out_of_memory import raising_out_of_memory
from gan_cli.training.starting_point import StartingPoint
from gan_cli.training.summary import Outcome

logger = logging.getLogger(__name__)


def train_to_end(run: TrainingRun, start: StartingPoint, interrupted: Interrupts) -> int:
    """Train from a point on, write the summary however that ends, and return the exit status."""
    step = start.step
    cadence, outcome = run.plan.config.train, Outcome(step=step)
    time_is_up = deadline(cadence.max_minutes)

    def stop_requested() -> bool:
        run.saver.check()
        run.errors.check()
        return interrupted() or time_is_up()

    with _write_summary_at_end(run, outcome):
        logger.info("training in %s", run.directory.path)
        run.callbacks.on_start(step)
        # So that there is always a checkpoint to roll back to.
        if start.save or (step == 0 and recovery.may_roll_back(run.plan.config)):
            run.callbacks.on_checkpoint(step, run.algorithm)
        try:
            with raising_out_of_memory():
                reached = _train_with_rollbacks(run, start, stop_requested)
            run.saver.finish()  # before all else: after an interrupt the process may be killed at any moment
        except UserError as error:
            outcome.status = "diverged" if isinstance(error, DivergedError) else "failed"
            outcome.step = run.callbacks.step or step
            raise
        outcome.step, outcome.status = reached, "completed"
        unfinished = reached < cadence.steps and not run.callbacks.finished
        if unfinished or run.callbacks.evaluation_abandoned:
            outcome.status = "stopped" if run.callbacks.stop_requested else "interrupted"
        run.callbacks.on_end(EndEvent(outcome.step, outcome.status))
        run.errors.check()
        seconds = run.stateful.throughput.seconds
        logger.info("%s at step %d after %.1f s: %s", outcome.status, outcome.step, seconds, run.directory.path)
        monitor = run.stateful.check_alarms.monitor
        if alarms := describe_alarms(monitor.alarms, monitor.lasting):
            logger.info(alarms)
        if outcome.status == "interrupted" and time_is_up():
            logger.info("train.max_minutes=%g is over: resume=%s continues", cadence.max_minutes, run.directory.path)
        best = run.stateful.best
        if best is not None:
            logger.info(best.describe())
        _log_next_steps(run, outcome)
        # A signal that came too late to interrupt this run still asks the process to end: a sweep has further jobs.
        exit_status = max(run.group.all_gather_object(interrupted.exit_status))
        return DivergedError.exit_status if outcome.status == "stopped" else exit_status


def _log_next_steps(run: TrainingRun, outcome: Outcome) -> None:
    """Log what to do with a run that has ended."""
    config, best = run.plan.config, run.stateful.best
    longer = ""
    if outcome.step >= config.train.steps:
        longer = f"train.steps={2 * outcome.step}"
    elif run.callbacks.finished:
        longer = f"stop.patience={2 * config.stop.patience}"
    has_best = best is not None and bool(best.steps)
    for line in next_steps.after_run(run.directory.path, longer, run.composition.option_folder, has_best=has_best):
        run_log.single_run_logger.info(line)


def _train_with_rollbacks(run: TrainingRun, start: StartingPoint, stop_requested: Callable[[], bool]) -> int:
    """Train, with rollbacks where they are configured, and return the step that was reached.

    Args:
        run: what to train.
        start: where it starts.
        stop_requested: returns whether this process has been asked to end the run.

    Raises:
        DivergedError: an alarm ends the run.
    """
    config, step, report_first = run.plan.config, start.step, start.report
    any_stop_requested = run.group.any_rank(stop_requested)
    while True:
        try:
            return loop.train(run.algorithm, run.callbacks, config.train, step, any_stop_requested, report_first)
        except AlarmError as error:
            run.saver.wait()  # recovery reads checkpoints
            alarm = error.alarm
            if alarm.name == NON_FINITE:
                alarm = _locate_first_nonfinite(run, alarm, error.since, stop_requested)
                if config.non_finite is not NonFinite.rollback:
                    as_error = recovery.repeated_divergence_error if start.resumed else recovery.divergence_error
                    raise as_error(alarm) from error
            run.callbacks.close()
            step = recovery.roll_back(alarm, config.diagnostics, run.algorithm, run.stateful, run.directory)
            report_first = True
            run.callbacks.on_start(step)
            run.callbacks.on_checkpoint(step, run.algorithm)  # with the adjusted settings, for a resume


def _locate_first_nonfinite(run: TrainingRun, alarm: Alarm, since: int, interrupted: Callable[[], bool]) -> Alarm:
    """Replay the run to find the first tensor that was not finite, and return the alarm with its name appended.

    The state in which it is found is saved for inspection; the present one where the replay does not find it.
    """
    threads, state = torch.get_num_threads(), recovery.latest_finite_state(run.directory, since or alarm.step)
    if state is None and since:
        state = recovery.latest_finite_state(run.directory, alarm.step)
    if state is None and run.directory.stored_origin():
        return alarm  # its first weights came from another run, and no checkpoint has them any more
    logger.info("replaying the run, to find the first tensor that was not finite")
    plan = planning.plan(run.composition.config)
    changes = [] if run.plan.device.most_threads is None else thread_record.read(run.directory.threads)

    def set_threads(step: int) -> None:
        # With another number, sums are rounded differently.
        torch.set_num_threads(thread_record.threads_at(changes, step, threads))

    with contextlib.closing(builder.assemble(plan)) as replayed:
        first = recovery.find_first_nonfinite(replayed, state, range(since, alarm.step + 1), interrupted, set_threads)
        torch.set_num_threads(threads)
        if not run.group.broadcast_from_rank0(lambda: first is None):
            assert first is not None
            message = f"the first tensor that was not finite: {first.tensor}, after step {first.step}"
            file = recovery.save_nonfinite_state(run.directory, replayed, first.step)
        else:
            message = "the replay was interrupted" if interrupted() else "it did not recur in the replay"
            file = recovery.save_nonfinite_state(run.directory, run.algorithm, alarm.step)
    if file is not None:
        message += f" (its state: {file})"
    logger.warning(message)
    return run.stateful.check_alarms.monitor.append_to_message(alarm, message)


@contextlib.contextmanager
def _write_summary_at_end(run: TrainingRun, outcome: Outcome) -> Iterator[None]:
    """Close the callbacks and write ``summary.json`` at the end of the block, also after an error."""
    try:
        yield
    except BaseException:
        run.saver.close()
        # The first error is the one to report; on a full disk the summary may fail as well.
        with contextlib.suppress(UserError):
            run.end_by_error(outcome)
        with contextlib.suppress(UserError):
            run.finish(outcome)
        raise
    run.saver.close()
    run.finish(outcome)
