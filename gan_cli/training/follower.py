"""Runs of several processes: rank 0 writes and decides, the other ranks (workers) receive what it has decided.

All ranks go through the same loop. Where the callbacks of rank 0 check metrics, save or evaluate, the workers, which
have none, wait for the result: nothing, a stop request, or an error that ends the run on all ranks.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from gan_cli.config.schema import TrainSection
from gan_cli.diagnostics.rules import NON_FINITE
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.runtime.distributed import ProcessGroup
from gan_cli.runtime.interrupts import Interrupts
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.training import loop, recovery
from gan_cli.training.callbacks import CallbackList
from gan_cli.training.monitoring import AlarmError
from gan_cli.training.starting_point import StartingPoint

logger = logging.getLogger(__name__)


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
            "%d processes continue where there were %d: the data and all noise are the same, but floating-point sums"
            " are rounded differently, batch norm (without device.sync_batch_norm) sees other parts of a batch, and"
            " dropout draws other numbers: the results are no longer bitwise the same",
            group.size,
            before,
        )


def run_worker(
    algorithm: Algorithm,
    cadence: TrainSection,
    group: ProcessGroup,
    start: StartingPoint,
    interrupted: Interrupts,
) -> int:
    """Train on a rank other than 0, which writes nothing and follows the decisions of rank 0.

    Args:
        algorithm: what to train, the same on all ranks.
        cadence: how often to do what.
        group: the processes of the run.
        start: where the run starts.
        interrupted: the signals that this process has received.

    Returns:
        The exit status.

    Raises:
        DivergedError: rank 0 has raised an alarm that ends the run.
    """

    any_interrupted, callbacks = group.any_rank(interrupted), CallbackList([], group)
    try:
        if start.save:
            callbacks.on_checkpoint(start.step, algorithm)
        loop.train(algorithm, callbacks, cadence, start.step, any_interrupted, start.report)
    except AlarmError as error:
        if error.alarm.name == NON_FINITE and group.broadcast_from_rank0(_never_called):
            recovery.nonfinite_state(algorithm, start.step)  # gathers the shards of all ranks, for rank 0 to save
        raise recovery.divergence_error(error.alarm) from error
    return max(group.all_gather_object(interrupted.exit_status))


def _never_called() -> Any:
    raise AssertionError("only rank 0 computes this")
