"""After an alarm: which tensor went wrong first, and the way back to the last good checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_cli.config.diagnostics import DiagnosticsSection
from gan_cli.diagnostics.monitor import Alarm
from gan_cli.errors import DivergedError, OutputError
from gan_cli.protocols.algorithm import Algorithm, Preview, Report, Sentences, RollbackAdjustment
from gan_cli.runs.loop import Sinks
from gan_cli.runs.monitoring import MonitoredTelemetry
from gan_cli.storage import checkpoints
from gan_cli.storage.run_directory import RunDirectory

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
) -> NonFiniteTensor | None:
    """Play a run again from an earlier state, looking at every tensor, until one is not finite.

    Nothing has to be looked at while a run goes well: that it comes out the same to the bit pays here.

    Args:
        algorithm: a new one, as the run began; left right after the update that the culprit came of.
        state: of a checkpoint whose tensors are finite; None: from the beginning.
        steps: from the first after whose update tensors are looked at, to the one at which the trouble was seen.
        interrupted: whether to leave it at that.

    Returns:
        What was the first; None where the trouble did not come again.
    """
    step = 0
    if state is not None:
        step = int(state["step"])
        algorithm.load_state_dict(state["algorithm"])
    while step < steps[-1] and not interrupted():
        algorithm.update(step)
        step += 1
        if step < steps[0]:
            continue
        for name, tensor in algorithm.tensors():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                return NonFiniteTensor(name, step)
    return None


def guard_save(
    algorithm: Algorithm, sinks: Sinks[Report, Preview | Sentences], save: Callable[[int], None]
) -> Callable[[int], None]:
    """``save``, but for a state with numbers that are not finite: that is reported, and raises the alarm.

    Waits for the device, as saving does.
    """

    def save_if_sound(step: int) -> None:
        nonfinite = algorithm.nonfinite()
        if nonfinite is not None:
            sinks.log(step, replace(algorithm.report(), nonfinite=nonfinite), algorithm.images_seen)
        save(step)

    return save_if_sound


def nonfinite_state(algorithm: Algorithm, step: int) -> dict[str, Any]:
    """``step``, ``algorithm`` (as in a checkpoint) and ``tensors``: name -> tensor, gradients among them."""
    return {"step": step, "algorithm": algorithm.state_dict(), "tensors": dict(algorithm.tensors())}


def save_nonfinite_state(directory: RunDirectory, algorithm: Algorithm, step: int) -> Path | None:
    """Save a state that is not finite where no resume looks for it; None, and a warning, where that fails.

    The file holds what :func:`nonfinite_state` gives.
    """
    path = directory.path / "not_finite" / f"step_{step:08d}.pt"
    state = nonfinite_state(algorithm, step)
    try:
        checkpoints.write(path, state)
    except OutputError as error:
        logger.warning("%s", error)  # the run has a worse trouble to tell of
        return None
    return path


def divergence_error(alarm: Alarm) -> DivergedError:
    """The end of a run whose numbers are not finite, in one line."""
    return DivergedError(f"training diverged at step {alarm.step}: {alarm.message}. Try {alarm.try_next}")


def repeated_divergence_error(alarm: Alarm) -> DivergedError:
    """The same of a run that was resumed, and may have come to this before."""
    return DivergedError(
        f"{divergence_error(alarm)}. Resumed as it is, the run comes to the same again: add train.non_finite=rollback or skip"
    )


def latest_finite_state(directory: RunDirectory, before: int) -> dict[str, Any] | None:
    """The latest checkpoint of a step before ``before`` whose tensors are finite; None where there is none."""
    return checkpoints.load_latest_accepted(
        directory.checkpoints, lambda state: int(state["step"]) < before and is_finite(state["algorithm"])
    )


def roll_back(
    alarm: Alarm,
    limits: DiagnosticsSection,
    algorithm: Algorithm,
    sinks: MonitoredTelemetry,
    directory: RunDirectory,
) -> int:
    """Bring the last good checkpoint back, and change what is configured; returns the step to go on from.

    A checkpoint is good if its tensors are finite and the symptom did not show at its time.

    Raises:
        DivergedError: the bound on rollbacks is reached, or there is no good checkpoint.
    """
    settings, alarms, rollbacks = limits.rollback, sinks.monitor.alarms, sinks.rollbacks + 1
    seconds = sinks.telemetry.seconds
    if rollbacks > settings.times:
        raise DivergedError(
            f"{alarm.name} at step {alarm.step}, after {settings.times} rollbacks (diagnostics.rollback.times):"
            f" {alarm.message}. Try {alarm.try_next}"
        )

    def good(state: dict[str, Any]) -> bool:
        ailing = state["sinks"]["doctor"]["streaks"].get(alarm.name, 0)
        return int(state["step"]) < alarm.step and not ailing and is_finite(state["algorithm"])

    state = checkpoints.load_latest_accepted(directory.checkpoints, good)
    if state is None:
        raise DivergedError(
            f"{alarm.name} at step {alarm.step}: {alarm.message}. No checkpoint from before it is left to go back to:"
            " a smaller train.checkpoint_every or a larger train.keep_checkpoints keeps one"
        )
    step = int(state["step"])
    checkpoints.delete_after(directory.checkpoints, step)
    algorithm.load_state_dict(state["algorithm"])
    sinks.load_state_dict(state["sinks"])
    # What has happened has happened, even though the run goes on from before it.
    sinks.monitor.alarms, sinks.rollbacks = alarms, rollbacks
    sinks.telemetry.set_elapsed(seconds)
    algorithm.apply_adjustment(RollbackAdjustment(settings.lr_g, settings.lr_d, settings.sigma))
    logger.warning(
        "rollback %d of %d: going on from step %d with learning rates times %g (G) and %g (D), noise + %g",
        rollbacks,
        settings.times,
        step,
        settings.lr_g,
        settings.lr_d,
        settings.sigma,
    )
    return step


def is_finite(state: Any) -> bool:
    """Whether every tensor in a nested state is finite."""
    if isinstance(state, Tensor):
        return not state.is_floating_point() or bool(torch.isfinite(state).all())
    if isinstance(state, Mapping):
        return all(map(is_finite, state.values()))
    if isinstance(state, list | tuple):
        return all(map(is_finite, state))
    return True
