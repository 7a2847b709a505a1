"""Runs of several processes: rank 0 writes and decides, the other ranks (workers) receive what it has decided.

All ranks go through the same loop. Where rank 0 checks metrics, saves or evaluates, the workers wait for the result:
nothing, a stop request, or an error that ends the run on all ranks.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any, Protocol

from gan_cli.config.schema import TrainSection
from gan_cli.diagnostics.rules import NON_FINITE
from gan_cli.protocols.algorithm import Algorithm, Preview, Report, Sentences
from gan_cli.runs import loop, recovery
from gan_cli.runs.monitoring import AlarmError
from gan_cli.runtime.distributed import ProcessGroup
from gan_cli.runtime.interrupts import Interrupts
from gan_cli.storage.run_directory import RunDirectory

logger = logging.getLogger(__name__)


class Rank0Sinks(Protocol):
    """Interface of the sinks of rank 0; see ``runs/monitoring.py``."""

    stop_requested: bool

    def advance(self) -> None:
        """Move the progress on by a step."""
        ...

    def log(self, step: int, report: Report, images_seen: int) -> None:
        """Check and write a report."""
        ...

    def show(self, step: int, preview: Preview | Sentences) -> None:
        """Write the preview of a step."""
        ...


class Rank0Telemetry:
    """Telemetry of every rank: rank 0 writes to its sinks and broadcasts whether the run goes on.

    Attributes:
        stop_requested: whether the run is to end after the next step.
    """

    def __init__(self, sinks: Rank0Sinks | None, group: ProcessGroup) -> None:
        """``sinks`` are those of rank 0; None on all other ranks."""
        self._sinks = sinks
        self._group = group
        self.stop_requested = False

    def advance(self) -> None:
        if self._sinks is not None:
            self._sinks.advance()

    def log(self, step: int, report: Report, images_seen: int) -> None:
        """Check and write a report on rank 0; an error that it raises there is raised on all ranks."""

        def check_and_write() -> bool:
            assert self._sinks is not None
            self._sinks.log(step, report, images_seen)
            return self._sinks.stop_requested

        self.stop_requested = self._group.broadcast_from_rank0(check_and_write)

    def show(self, step: int, preview: Preview | Sentences) -> None:
        if self._sinks is not None:
            self._sinks.show(step, preview)


@contextlib.contextmanager
def locked_by_rank0(directory: RunDirectory, group: ProcessGroup) -> Iterator[None]:
    """Lock the directory on rank 0; raises ``ConfigError`` on all ranks where another run has locked it."""
    with contextlib.ExitStack() as stack:
        group.broadcast_from_rank0(lambda: stack.enter_context(directory.locked()))
        yield


def warn_if_world_size_changed(state: dict[str, Any], group: ProcessGroup) -> None:
    """Warn where the run has been trained by another number of processes so far."""
    before = int(state.get("processes", 1))
    if before != group.size:
        logger.warning(
            "%d processes go on where there were %d: the data and all noise are the same, but floating-point sums"
            " are rounded differently, batch norm (without device.sync_batch_norm) sees other parts of a batch, and"
            " dropout draws other numbers: the results are no longer bitwise the same",
            group.size,
            before,
        )


def run_worker(
    algorithm: Algorithm, cadence: TrainSection, group: ProcessGroup, step: int, interrupted: Interrupts
) -> int:
    """Train on a rank other than 0, which writes nothing and follows the decisions of rank 0.

    Args:
        algorithm: what to train, the same on all ranks.
        cadence: how often to do what.
        group: the processes of the run.
        step: updates made so far.
        interrupted: the signals that this process has received.

    Returns:
        The exit status.

    Raises:
        DivergedError: rank 0 has raised an alarm that ends the run.
    """

    def never_called() -> Any:
        raise AssertionError("only rank 0 computes this")

    def save(step: int) -> None:
        algorithm.state_dict()  # gathers the shards of all ranks
        group.broadcast_from_rank0(never_called)

    def evaluate(step: int) -> None:
        group.broadcast_from_rank0(never_called)

    any_interrupted, telemetry = group.any_rank(interrupted), Rank0Telemetry(None, group)
    guarded_save = recovery.guard_save(algorithm, telemetry, save)

    def stop_requested() -> bool:
        return any_interrupted() or telemetry.stop_requested

    try:
        loop.train(algorithm, telemetry, guarded_save, cadence, step, stop_requested, evaluate)
    except AlarmError as error:
        if error.alarm.name == NON_FINITE and group.broadcast_from_rank0(never_called):
            recovery.nonfinite_state(algorithm, step)  # gathers the shards of all ranks, for rank 0 to save
        raise recovery.divergence_error(error.alarm) from error
    return max(group.all_gather_object(interrupted.exit_status))
