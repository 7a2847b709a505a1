"""Recovery from an alarm: find the first tensor that was not finite, and roll back to the last good checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_cli.config.diagnostics import DiagnosticsSection, OnAlarm
from gan_cli.config.schema import Config, NonFinite
from gan_cli.errors import DivergedError, OutputError
from gan_cli.protocols.algorithm import Algorithm, RollbackAdjustment
from gan_cli.protocols.callbacks import Alarm
from gan_cli.storage import checkpoints
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.training.callbacks import StatefulCallbacks

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NonFiniteTensor:
    """A tensor, and the step after whose update it was not finite."""

    tensor: str
    step: int


def find_first_nonfinite(
    algorithm: Algorithm,
    state: Mapping[str, Any] | None,
    steps: range,
    interrupted: Callable[[], bool],
    before_update: Callable[[int], None],
) -> NonFiniteTensor | None:
    """Replay a run from an earlier state and check every tensor, until one is not finite.

    As runs are reproducible bitwise, tensors need not be checked while a run goes well.

    Args:
        algorithm: a new one, as at the start of the run; left right after the update that made the tensor not finite.
        state: of a checkpoint whose tensors are finite; None to replay from the start.
        steps: from the first step after whose update tensors are checked, to the one at which the alarm was raised.
        interrupted: returns whether to give up.
        before_update: called with the number of each update, counted from 0, to prepare it as in the run.

    Returns:
        The first tensor that was not finite; None where all were finite this time, or the replay was interrupted.
    """
    step = 0
    if state is not None:
        step = int(state["step"])
        algorithm.load_state_dict(state["algorithm"])
    while step < steps[-1] and not interrupted():
        before_update(step)
        algorithm.update(step)
        step += 1
        if step < steps[0]:
            continue
        for name, tensor in algorithm.tensors():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                return NonFiniteTensor(name, step)
    return None


def nonfinite_state(algorithm: Algorithm, step: int) -> dict[str, Any]:
    """Return ``step``, ``algorithm`` (as in a checkpoint) and ``tensors``: name -> tensor, gradients included."""
    return {"step": step, "algorithm": algorithm.state_dict(), "tensors": dict(algorithm.tensors())}


def save_nonfinite_state(directory: RunDirectory, algorithm: Algorithm, step: int) -> Path | None:
    """Save a state that is not finite to a folder that no resume reads.

    The file holds the result of :func:`nonfinite_state`.

    Returns:
        The file; None, after a warning, where it cannot be written.
    """
    path = directory.path / "not_finite" / f"step_{step:08d}.pt"
    state = nonfinite_state(algorithm, step)
    try:
        checkpoints.write(path, state)
    except OutputError as error:
        logger.warning("%s", error)  # the divergence is the error to report
        return None
    return path


def divergence_error(alarm: Alarm) -> DivergedError:
    """Return the error that ends a run whose numbers are not finite; its message is one line."""
    return DivergedError(f"training diverged at step {alarm.step}: {alarm.message}. Try {alarm.try_next}")


def repeated_divergence_error(alarm: Alarm) -> DivergedError:
    """Return the error of a run that was resumed, and may have diverged in the same way before."""
    return DivergedError(
        f"{divergence_error(alarm)}. Resumed with the same settings, the run diverges again:"
        " add train.non_finite=rollback or skip"
    )


def latest_finite_state(directory: RunDirectory, before: int) -> dict[str, Any] | None:
    """Return the latest checkpoint of a step before ``before`` whose tensors are finite; None without one."""
    return checkpoints.load_latest_accepted(
        directory.checkpoints, lambda state: int(state["step"]) < before and is_finite(state["algorithm"])
    )


def roll_back(
    alarm: Alarm,
    limits: DiagnosticsSection,
    algorithm: Algorithm,
    callbacks: StatefulCallbacks,
    directory: RunDirectory,
) -> int:
    """Restore the last good checkpoint, and adjust learning rates and noise as ``diagnostics.rollback`` says.

    A checkpoint is good if its tensors are finite and the rule of the alarm was not violated at its time.

    Args:
        alarm: the alarm that leads to the rollback.
        limits: the section ``diagnostics``.
        algorithm: restored and adjusted in place.
        callbacks: restored in place, but for the alarms and the counts of what has happened.
        directory: of the run; checkpoints of later steps are deleted.

    Returns:
        The step of the checkpoint, from which the run continues.

    Raises:
        DivergedError: the bound on rollbacks is reached, or there is no good checkpoint.
    """
    settings, monitor = limits.rollback, callbacks.check_alarms.monitor
    alarms, rollbacks = monitor.alarms, callbacks.act_on_alarms.rollbacks + 1
    seconds = callbacks.throughput.seconds
    if rollbacks > settings.times:
        raise DivergedError(
            f"{alarm.name} at step {alarm.step}, after {settings.times} rollbacks (diagnostics.rollback.times):"
            f" {alarm.message}. Try {alarm.try_next}"
        )

    def is_good(state: dict[str, Any]) -> bool:
        violated = state["sinks"]["doctor"]["streaks"].get(alarm.name, 0)  # of the alarm monitor
        return int(state["step"]) < alarm.step and not violated and is_finite(state["algorithm"])

    state = checkpoints.load_latest_accepted(directory.checkpoints, is_good)
    if state is None:
        raise DivergedError(
            f"{alarm.name} at step {alarm.step}: {alarm.message}. No checkpoint from before it is left to go back to:"
            " a smaller train.checkpoint_every or a larger train.keep_checkpoints keeps one"
        )
    step = int(state["step"])
    checkpoints.delete_after(directory.checkpoints, step)
    algorithm.load_state_dict(state["algorithm"])
    callbacks.load_state_dict(state["sinks"])
    # Alarms, rollbacks and time are counted over the whole run, not from the checkpoint on.
    monitor.alarms, callbacks.act_on_alarms.rollbacks = alarms, rollbacks
    callbacks.throughput.set_elapsed(seconds)
    algorithm.apply_adjustment(RollbackAdjustment(settings.lr_g, settings.lr_d, settings.sigma))
    logger.warning(
        "rollback %d of %d: continuing from step %d with learning rates times %g (G) and %g (D), noise + %g",
        rollbacks,
        settings.times,
        step,
        settings.lr_g,
        settings.lr_d,
        settings.sigma,
    )
    return step


def may_roll_back(config: Config) -> bool:
    """Return whether any alarm leads to a rollback."""
    return config.non_finite is NonFinite.rollback or config.diagnostics.on_alarm is OnAlarm.rollback


def is_finite(state: Any) -> bool:
    """Return whether every tensor in a nested state is finite."""
    if isinstance(state, Tensor):
        return not state.is_floating_point() or bool(torch.isfinite(state).all())
    if isinstance(state, Mapping):
        return all(map(is_finite, state.values()))
    if isinstance(state, list | tuple):
        return all(map(is_finite, state))
    return True
