"""One run in a directory of its own: checked without training it, started, or resumed."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from pathlib import Path

import torch
from omegaconf import OmegaConf

from gan_cli.config.automatic import log_choices
from gan_cli.config.compose import Composition
from gan_cli.config.data_places import advising_of_moves, moved_places
from gan_cli.config.resume import store_changes
from gan_cli.config.sweep_metric import warn_if_alias
from gan_cli.errors import ConfigError, printable
from gan_cli.inference import loading
from gan_cli.runtime import distributed, torchrun
from gan_cli.runtime.interrupts import Interrupts, exit_on_signal
from gan_cli.storage import checkpoints, run_directory
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.run_search import shell_line
from gan_cli.storage.state_structure import require_like
from gan_cli.storage.thread_record import stored_threads
from gan_cli.telemetry import run_log
from gan_cli.training import follower, planning
from gan_cli.training.announcements import opening
from gan_cli.training.assembly import assemble_run, make_training_run
from gan_cli.training.checkpointing import warn_if_device_changed
from gan_cli.training.estimate import estimate, measure
from gan_cli.training.initialization import initial_weights
from gan_cli.training.out_of_memory import advising_micro_batches
from gan_cli.training.own_callbacks import OwnCallbacks, no_callbacks
from gan_cli.training.plan_summary import rows_of_estimate, rows_of_plan, table
from gan_cli.training.planning import Plan
from gan_cli.training.preparation import build, checked_plan, observers, reject_fork, require_same_data
from gan_cli.training.starting_point import StartingPoint
from gan_cli.training.to_end import train_to_end

logger = logging.getLogger(__name__)


def dry_run(composition: Composition) -> str:
    """Return a description of a run for a person; raises as :func:`planning.plan_with_files`."""
    plan = planning.plan_with_files(composition.config)
    with run_log.console():
        warn_if_alias(plan.config)
        log_choices(composition.chosen)
    initial = initial_weights(plan.config, plan.family)
    rows = {} if initial is None else {"init": f"weights of {initial.source}, step {initial.step:,}"}
    return table({**rows_of_plan(plan), **rows, **rows_of_estimate(estimate(plan, measure(plan)))})


def start(composition: Composition, wanted: Path, own_callbacks: OwnCallbacks = no_callbacks) -> int:
    """Train in a new run directory, ``wanted`` or the next free name like it, and return the exit status."""
    reject_fork(composition)
    return advising_micro_batches(composition, partial(_start, composition, wanted, own_callbacks))


def _start(composition: Composition, wanted: Path, own_callbacks: OwnCallbacks) -> int:
    with run_log.console() as buffered, exit_on_signal(), distributed.process_group() as group:
        plan = checked_plan(composition, group)
        initial = group.broadcast_from_rank0(partial(initial_weights, plan.config, plan.family))
        assembled = assemble_run(plan, composition, partial(build, group=group), group)
        # From the moment there is a directory, a signal has to leave it complete, with a checkpoint.
        with contextlib.closing(assembled.algorithm), Interrupts() as interrupted:
            begin = StartingPoint(save=initial is not None)
            inherited = None if initial is None else initial.give_to(assembled.algorithm)
            if group.rank > 0:
                return follower.run_worker(assembled.algorithm, plan.config.train, group, begin, interrupted)
            directory = run_directory.claim(wanted)
            torchrun.store_run_directory(directory.path)
            directory.write_hydra_config(composition.config, composition.hydra.hydra, composition.overrides)
            if inherited is not None:
                directory.write_origin({"init": inherited.record()})
            shown = [*observers(plan, directory), *own_callbacks(directory)]
            with directory.locked():
                run = make_training_run(assembled, directory, shown)
                for line in (*opening(plan, composition), *(() if inherited is None else inherited.describe())):
                    run_log.single_run_logger.info(line)
                for line in () if inherited is None else inherited.frozen_at_random(plan.outline):
                    logger.warning(line)
                with run_log.copied_to({directory: run.errors}, buffered):
                    return train_to_end(run, begin, interrupted)


def resume(composition: Composition, directory: RunDirectory, own_callbacks: OwnCallbacks = no_callbacks) -> int:
    """Resume the run of ``directory`` from its latest undamaged checkpoint, and return the exit status."""
    return advising_micro_batches(composition, partial(_resume, composition, directory, own_callbacks))


def _resume(composition: Composition, directory: RunDirectory, own_callbacks: OwnCallbacks) -> int:
    with (
        run_log.console() as buffered,
        exit_on_signal(),
        distributed.process_group() as group,
        follower.locked_by_rank0(directory, group),
    ):
        plan = checked_plan(composition, group)
        state = group.broadcast_from_rank0(lambda: checkpoints.load_latest(directory.checkpoints))
        with loading.checkpoint_errors(directory.checkpoints):
            follower.warn_if_world_size_changed(state, group)
        warn_if_device_changed(state, plan.device.torch_device.type)
        torchrun.store_run_directory(directory.path)
        with loading.checkpoint_errors(directory.checkpoints):
            step = int(state["step"])
            if plan.config.device.threads is None:
                # With another number of threads, floating-point sums are rounded differently.
                torch.set_num_threads(stored_threads(state))
        if group.broadcast_from_rank0(partial(_is_complete, plan, directory, step)):
            logger.info("%s has made its %d steps: train.steps=N with a larger N trains it on", directory.path, step)
            return 0
        if ended := group.broadcast_from_rank0(partial(_ended_early, plan, directory, step)):
            logger.info("%s has ended at step %d: %s", directory.path, step, ended)
            return 0
        moved = moved_places(directory.stored_config(), composition.config)
        check_data = partial(require_same_data, plan, directory, state, moved)
        with advising_of_moves(composition.config, f"{shell_line('gan-train resume=', directory.path)} {{key}}=NEW"):
            assembled = assemble_run(plan, composition, partial(build, group=group), group, check_data=check_data)
        with contextlib.closing(assembled.algorithm):
            begin = StartingPoint(step, resumed=True)
            with loading.checkpoint_errors(directory.checkpoints):
                require_like(state["algorithm"], assembled.algorithm.state_dict())
                assembled.algorithm.load_state_dict(state["algorithm"])
            if group.rank > 0:
                with Interrupts() as interrupted:
                    return follower.run_worker(assembled.algorithm, plan.config.train, group, begin, interrupted)
            shown = [*observers(plan, directory), *own_callbacks(directory)]
            run = make_training_run(assembled, directory, shown)
            store_changes(directory, composition.config)
            with run_log.copied_to({directory: run.errors}, buffered):
                with loading.checkpoint_errors(directory.checkpoints):
                    run.stateful.load_state_dict(state["sinks"])
                logger.info("continuing from step %d in %s", step, directory.path)
                with Interrupts() as interrupted:
                    return train_to_end(run, begin, interrupted)


def _is_complete(plan: Plan, directory: RunDirectory, step: int) -> bool:
    """Return whether a run has made all of its steps, and has ended after them.

    Raises:
        ConfigError: it is to make fewer steps than it has made.
    """
    steps = plan.config.train.steps
    if steps < step and steps != OmegaConf.select(directory.stored_config(), "train.steps"):
        raise ConfigError(
            f"train.steps: {directory.path} has made {step} steps, expected at least as many, got {steps}"
        )
    summary = directory.stored_summary()
    return steps <= step and summary.get("status") == "completed" and summary.get("step") == step


def _ended_early(plan: Plan, directory: RunDirectory, step: int) -> str | None:
    """Return why a run ended before its last step, and what trains it on; None where it is to be trained on."""
    summary, stored = directory.stored_summary(), directory.stored_config()
    reason, stop = summary.get("stopped_because"), plan.config.stop
    if not isinstance(reason, str) or summary.get("step") != step:
        return None
    before = OmegaConf.select(stored, "stop.patience")
    same = all(OmegaConf.select(stored, f"stop.{key}") == getattr(stop, key) for key in ("metric", "margin"))
    if not (stop.active and same and isinstance(before, int) and stop.patience <= before):
        return None
    return f"{printable(reason)}: a larger stop.patience, or stop.patience=0, trains it on"
