"""A fork: a new run that goes on from a checkpoint of another one, with other settings."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from gan_cli.config.compose import Composition
from gan_cli.config.data_places import advising_of_moves
from gan_cli.config.flat import flatten_config
from gan_cli.config.fork import BEGINNINGS, keeps_numbers
from gan_cli.config.override_text import value_text
from gan_cli.errors import ConfigError, truncate_middle
from gan_cli.inference.loading import checkpoint_errors
from gan_cli.report.settings import follow_references
from gan_cli.runtime import distributed, torchrun
from gan_cli.runtime.interrupts import Interrupts, exit_on_signal
from gan_cli.storage import checkpoints, run_directory
from gan_cli.storage.checkpoint_choice import parse_checkpoint_choice
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.run_search import shell_line
from gan_cli.storage.state_fingerprint import state_fingerprint
from gan_cli.storage.state_structure import require_like
from gan_cli.storage.thread_record import stored_threads
from gan_cli.telemetry import run_log
from gan_cli.training import follower, planning
from gan_cli.training.announcements import opening
from gan_cli.training.assembly import assemble_run, make_training_run
from gan_cli.training.carried_state import CarriedState, carry_over, with_batch_size
from gan_cli.training.checkpointing import warn_if_device_changed
from gan_cli.training.compatibility import class_name
from gan_cli.training.out_of_memory import advising_micro_batches
from gan_cli.training.own_callbacks import OwnCallbacks, no_callbacks
from gan_cli.training.plan_summary import table
from gan_cli.training.planning import Plan
from gan_cli.training.preparation import build, checked_plan, observers, require_same_data
from gan_cli.training.starting_point import StartingPoint
from gan_cli.training.to_end import train_to_end

logger = logging.getLogger(__name__)

# Most changed settings that a line of the log names.
MAX_LISTED = 12


@dataclass(frozen=True)
class Branch:
    """The point of another run at which a fork begins.

    Attributes:
        source: the other run.
        state: of its checkpoint.
        changes: setting -> its value there, and in the fork.
    """

    source: RunDirectory
    state: Mapping[str, Any]
    changes: Mapping[str, tuple[Any, Any]]

    @property
    def step(self) -> int:
        return int(self.state["step"])

    @property
    def is_continuation(self) -> bool:
        """True where the fork makes the numbers that the other run would have made."""
        return keeps_numbers(self.changes)

    def describe(self, carried: CarriedState) -> Iterator[str]:
        """Yield lines that say where the fork begins, what changed, and what begins anew."""
        yield f"fork: continuing from step {self.step:,} of {self.source.path}"
        texts = list(_describe_changes(self.changes))
        rest = len(texts) - MAX_LISTED
        more = [f"{rest} more (origin.json lists all)"] if rest > 0 else []
        if texts:
            yield f"fork: changed: {', '.join([*texts[:MAX_LISTED], *more])}"
        if carried.fresh:
            yield f"fork: begins anew: {', '.join(carried.fresh)}"
        if "train.batch_size" in self.changes:
            yield "fork: batches of another size go on in the epoch after the samples that were drawn"
        if not self.is_continuation:
            yield "fork: with these changes the results are no continuation of that run"

    def record(self, carried: CarriedState) -> dict[str, Any]:
        """Return what the run directory keeps of it, in plain values."""
        return {
            "path": str(self.source.path.absolute()),
            "step": self.step,
            "fingerprint": state_fingerprint(self.state),
            "changes": {key: {"before": was, "now": now} for key, (was, now) in self.changes.items()},
            "fresh": list(carried.fresh),
            "continuation": self.is_continuation,
        }


def fork(
    composition: Composition, source: RunDirectory, wanted: Path, own_callbacks: OwnCallbacks = no_callbacks
) -> int:
    """Train in a new run directory, from a checkpoint of another run, and return the exit status."""
    return advising_micro_batches(composition, partial(_fork, composition, source, wanted, own_callbacks))


def _fork(composition: Composition, source: RunDirectory, wanted: Path, own_callbacks: OwnCallbacks) -> int:
    with run_log.console() as buffered, exit_on_signal(), distributed.process_group() as group:
        plan = checked_plan(composition, group)
        branch = group.broadcast_from_rank0(partial(find_branch, plan, composition, source))
        _require_steps(plan, branch)
        warn_if_device_changed(dict(branch.state), plan.device.torch_device.type)
        if plan.config.device.threads is None:
            # With another number of threads, floating-point sums are rounded differently.
            torch.set_num_threads(stored_threads(dict(branch.state)))
        check_data = partial(_check_data, plan, branch)
        with advising_of_moves(composition.config, f"{shell_line('gan-train fork=', source.path)} {{key}}=NEW"):
            assembled = assemble_run(plan, composition, partial(build, group=group), group, check_data=check_data)
        with contextlib.closing(assembled.algorithm), Interrupts() as interrupted:
            with checkpoint_errors(source.checkpoints):
                carried = _carried(plan, branch, assembled.algorithm.state_dict())
                assembled.algorithm.load_state_dict(carried.state)
            begin = StartingPoint(branch.step, save=True, report=branch.is_continuation)
            if group.rank > 0:
                return follower.run_worker(assembled.algorithm, plan.config.train, group, begin, interrupted)
            directory = run_directory.claim(wanted)
            torchrun.store_run_directory(directory.path)
            composition.config.fork.step = str(branch.step)
            directory.write_hydra_config(composition.config, composition.hydra.hydra, composition.overrides)
            directory.write_origin({"forked_from": branch.record(carried)})
            shown = [*observers(plan, directory), *own_callbacks(directory)]
            with directory.locked():
                run = make_training_run(assembled, directory, shown)
                with checkpoint_errors(source.checkpoints):
                    run.stateful.load_state_of_other_run(branch.state["sinks"])
                for line in (*opening(plan, composition), *branch.describe(carried)):
                    run_log.single_run_logger.info(line)
                with run_log.copied_to({directory: run.errors}, buffered):
                    return train_to_end(run, begin, interrupted)


def describe_branch(composition: Composition, source: RunDirectory) -> str:
    """Return for a person where a fork would begin, and what would change."""
    branch = find_branch(planning.plan(composition.config), composition, source)
    changes = ", ".join(_describe_changes(branch.changes))
    return table({"fork": f"step {branch.step:,} of {source.path}", "changed": changes or "nothing"})


def find_branch(plan: Plan, composition: Composition, source: RunDirectory) -> Branch:
    """Load the checkpoint that a fork begins from.

    Raises:
        ConfigError: a process trains in that directory, or there is no such checkpoint.
    """
    if source.is_locked:
        raise ConfigError(
            f"fork={source.path}: a process is training in this directory; fork it once it has ended, or stop it first"
            " (Ctrl-C saves a checkpoint)"
        )
    choice = parse_checkpoint_choice(plan.config.fork.step, "fork.step")
    state = checkpoints.load_chosen(source.checkpoints, choice)
    return Branch(source, state, changed_settings(source.stored_config(), composition.config))


def _require_steps(plan: Plan, branch: Branch) -> None:
    if plan.config.train.steps <= branch.step:
        raise ConfigError(
            f"train.steps: expected more than the {branch.step:,} steps that fork={branch.source.path} begins with, got"
            f" {plan.config.train.steps:,}"
        )


def _check_data(plan: Plan, branch: Branch, current: Any) -> None:
    """Raise ``DataError`` where the data are others although the fork asks for the same."""
    if not any(key.startswith("dataset.") for key in branch.changes):
        require_same_data(plan, branch.source, dict(branch.state), {}, current)


def _carried(plan: Plan, branch: Branch, fresh: dict[str, Any]) -> CarriedState:
    carried = carry_over(branch.state["algorithm"], fresh, plan.family.stored_networks, branch.changes)
    before, now = branch.changes.get("train.batch_size", (1, 1))
    carried = CarriedState(with_batch_size(carried.state, before, now), carried.fresh)
    require_like(carried.state, fresh)
    return carried


def changed_settings(before: DictConfig, after: DictConfig) -> dict[str, tuple[Any, Any]]:
    """Return key -> (value before, value after) of all settings that differ, apart from what a run began from.

    A value that stands for another setting is shown as the value of that.
    """
    old, new = flatten_config(before), flatten_config(after)
    keys = [key for key in dict.fromkeys([*old, *new]) if key.partition(".")[0] not in BEGINNINGS]
    shown_old, shown_new = follow_references(old), follow_references(new)
    return {key: (shown_old.get(key), shown_new.get(key)) for key in keys if old.get(key) != new.get(key)}


def _describe_changes(changes: Mapping[str, tuple[Any, Any]]) -> Iterator[str]:
    """Yield each change as text: of a class its name, without settings that only one of the two classes has."""
    nodes = tuple(f"{key.removesuffix('_target_')}" for key in changes if key.endswith("._target_"))
    for key, (was, now) in changes.items():
        setting, _, last = key.rpartition(".")
        if last == "_target_":
            yield f"{setting} {class_name(was) if was else 'none'} -> {class_name(now) if now else 'none'}"
        elif not key.startswith(nodes) or (was is not None and now is not None):
            yield f"{key} {_text(was)} -> {_text(now)}"


def _text(value: Any) -> str:
    return truncate_middle(value if isinstance(value, str) else value_text(value), 40)
