"""Steps towards a run that new, resumed and forked ones share: its plan, its algorithm, its observers, its data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from gan_cli.config.automatic import log_choices
from gan_cli.config.compose import Composition
from gan_cli.config.sweep_metric import warn_if_alias
from gan_cli.data.fingerprint import DataIdentity, reject_changed_classes, reject_changed_data
from gan_cli.errors import ConfigError, DataError
from gan_cli.inference import loading
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.protocols.callbacks import Callback
from gan_cli.protocols.data import LoadedData
from gan_cli.runtime.distributed import ProcessGroup
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.telemetry.console import Progress
from gan_cli.training import builder, planning
from gan_cli.training.planning import Plan
from gan_cli.training.recovery import may_roll_back
from gan_cli.training.thread_adaptation import contention_callback

logger = logging.getLogger(__name__)


def reject_fork(composition: Composition) -> None:
    """Raise ``ConfigError`` for a fork that is asked for elsewhere than on the command line of one run."""
    if OmegaConf.select(composition.config, "fork.run") is not None:
        raise ConfigError("fork: expected fork=RUN_DIR on the command line of one run, without flags")


def checked_plan(composition: Composition, group: ProcessGroup) -> Plan:
    """Return the plan of a run; raises ``ConfigError`` if it cannot be trained by this many processes."""
    plan = planning.plan(composition.config)
    warn_if_alias(plan.config)
    log_choices(composition.chosen)
    if group.size > 1 and may_roll_back(plan.config):
        raise ConfigError(
            "diagnostics.on_alarm, train.non_finite: expected no rollback with several processes, got rollback:"
            " resume=DIR goes back to the last checkpoint"
        )
    return plan


def build(plan: Plan, source: LoadedData, group: ProcessGroup) -> Algorithm:
    """Make the algorithm of a run of one or several processes."""
    return builder.assemble(plan, source=source, group=group)


def observers(plan: Plan, directory: RunDirectory) -> list[Callback]:
    """Return the callbacks that show the progress of a run, and react to other work on the machine."""
    train = plan.config.train
    return [
        Progress(train.steps, train.log_every, train.eval_every),
        contention_callback(plan.device, directory.threads),
    ]


def require_same_data(
    plan: Plan,
    directory: RunDirectory,
    state: dict[str, Any],
    moved: Mapping[str, Any],
    current: DataIdentity | None,
) -> None:
    """Raise ``DataError`` where the data have changed since the checkpoint and that is not allowed.

    Args:
        plan: of the resumed run.
        directory: its directory.
        state: that of the checkpoint.
        moved: new places of the data, by key.
        current: identity of the data that are there.
    """
    with loading.checkpoint_errors(directory.checkpoints):
        before = loading.data_identity_in(state)  # checkpoints of older versions lack it
    try:
        reject_changed_data(before, current)
    except DataError as error:
        if not plan.config.train.allow_changed_data:
            raise
        if plan.config.conditional:
            reject_changed_classes(before, current)
        logger.warning("%s", error)
        return
    for key, place in moved.items():
        known = "with the content that this run began with" if before and current else "and cannot be compared"
        logger.info("%s: the data lie in %s now, %s", key, place, known)
