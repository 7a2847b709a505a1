"""Runs that differ only in their seed as one: means and deviations, and the alarms they share."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from gan_cli.report.columns import Better, better, is_measured
from gan_cli.report.formatting import MISSING, format_count, printable
from gan_cli.report.records import AlarmRecord, RunRecord, RunState


@dataclass(frozen=True)
class Spread:
    """A figure over seeds.

    Attributes:
        mean: over ``count`` runs.
        deviation: of the sample (divided by n - 1); None for a single run.
        count: how many runs have the figure.
    """

    mean: float
    deviation: float | None
    count: int


@dataclass(frozen=True)
class GroupAlarm:
    """An alarm over the runs of a group.

    Attributes:
        alarm: the earliest of them, with the words of whichever run has them.
        count: in how many runs it was raised.
        total: of how many.
    """

    alarm: AlarmRecord
    count: int
    total: int


@dataclass(frozen=True)
class RunGroup:
    """Runs of one configuration.

    Attributes:
        label: what tells the group from the others, in a line.
        values: the same, one for each key of the comparison.
        runs: by their seeds.
    """

    label: str
    values: tuple[str, ...]
    runs: tuple[RunRecord, ...]

    @cached_property
    def reported_runs(self) -> tuple[RunRecord, ...]:
        """Runs whose last figures count: those that completed; where there are none, all, as far as they have come."""
        completed = tuple(run for run in self.runs if run.state is RunState.completed)
        return completed or self.runs

    def final(self, tag: str) -> Spread | None:
        """A last figure over the runs that count; None where none of them has it."""
        return spread(run.final[tag] for run in self.reported_runs if tag in run.final)

    def best(self, tag: str) -> Spread | None:
        """A best figure over the runs that count; None where none of them has it."""
        return spread(run.best[tag].value for run in self.reported_runs if tag in run.best)

    @property
    def seconds(self) -> Spread | None:
        """Of training, over the runs that count."""
        return spread(run.seconds for run in self.reported_runs if run.seconds is not None)

    @property
    def step(self) -> int:
        """Updates that the run has made that has come furthest."""
        return max(run.step for run in self.runs)

    @property
    def states(self) -> str:
        """How its runs stand: ``completed``, or ``2 completed, 1 died``."""
        states = [run.state.value for run in self.runs]
        numbers = {state: states.count(state) for state in dict.fromkeys(states)}
        return ", ".join(f"{number} {state}" if len(states) > 1 else state for state, number in numbers.items())

    @property
    def alarms(self) -> list[GroupAlarm]:
        """What went wrong in any of its runs, by the step."""
        by_name: dict[str, list[AlarmRecord]] = {}
        for run in self.runs:
            for alarm in {alarm.name: alarm for alarm in reversed(run.alarms)}.values():
                by_name.setdefault(alarm.name, []).append(alarm)
        raised = [GroupAlarm(_earliest(alarms), len(alarms), len(self.runs)) for alarms in by_name.values()]
        return sorted(raised, key=lambda each: each.alarm.step)

    @property
    def divergence(self) -> str:
        """What D estimates, as in ``divergence/<name>``."""
        return next((run.divergence for run in self.runs if run.divergence), "")


@dataclass(frozen=True)
class Comparison:
    """All that a report shows.

    Attributes:
        keys: the choices that differ.
        groups: in the order to show them.
        tags: the figures of the table.
        main: the figure that groups are ranked by, or None where none is fair to all of them.
    """

    keys: tuple[str, ...]
    groups: tuple[RunGroup, ...]
    tags: tuple[str, ...]
    main: str | None

    @property
    def runs(self) -> list[RunRecord]:
        """All of them."""
        return [run for group in self.groups for run in group.runs]


def spread(values: Iterable[float]) -> Spread | None:
    """Mean and sample deviation; None of nothing."""
    known = list(values)
    if not known:
        return None
    return Spread(fmean(known), stdev(known) if len(known) > 1 else None, len(known))


def group_by_configuration(runs: Sequence[RunRecord]) -> tuple[list[str], list[RunGroup]]:
    """The keys that tell runs apart, and the runs in groups that differ in nothing but the seed."""
    keys = distinguishing_keys(runs) or fallback_keys(runs)
    together: dict[str, list[RunRecord]] = {}
    for run in runs:
        together.setdefault(configuration_id(run), []).append(run)
    return keys, _groups(keys, list(together.values()))


def group_each_run(runs: Sequence[RunRecord]) -> tuple[list[str], list[RunGroup]]:
    """The keys that tell runs apart, the seed among them, and each run as a group of its own."""
    keys = [*distinguishing_keys(runs), "seed"]
    return keys, _groups(keys, [[run] for run in runs])


def rank_groups(groups: Sequence[RunGroup], tag: str) -> list[RunGroup]:
    """Groups by a last figure, the best first (the lowest where neither way is better); those without it at the end."""
    sign = -1.0 if better(tag) is Better.higher else 1.0

    def place(group: RunGroup) -> float:
        final = group.final(tag)
        return math.inf if final is None else sign * final.mean

    return sorted(groups, key=place)


def main_tag(groups: Sequence[RunGroup], tags: Sequence[str]) -> str | None:
    """The first figure measured on samples that all groups have which have any; None where there is none."""
    measured = [tag for tag in tags if is_measured(tag)]
    having = [group for group in groups if any(group.final(tag) for tag in measured)]
    return next((tag for tag in measured if all(group.final(tag) for group in having)), None)


def repeated_seeds(groups: Iterable[RunGroup]) -> list[str]:
    """A line for each group in which a seed occurs twice: such runs are no independent ones."""
    notes = []
    for group in groups:
        seeds = [run.seed for run in group.runs]
        repeated = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if repeated:
            which = f"{format_count(len(repeated), 'seed')} ({', '.join(repeated)})"
            notes.append(f"{group.label}: {which} more than once; each run counts, so the deviation is too small")
    return notes


def natural_sort_key(text: str) -> list[tuple[int, float, str]]:
    """A key to sort by that has 2 before 10, and 1e-4 before 0.001."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[-+]?\d+)?)", text)
    return [(0, float(part), "") if place % 2 else (1, 0.0, part) for place, part in enumerate(parts) if part]


def _groups(keys: Sequence[str], together: Sequence[Sequence[RunRecord]]) -> list[RunGroup]:
    names = short_names(keys)
    groups = []
    for runs in together:
        cells = tuple(_join_distinct(value(run, key) for run in runs) for key in keys)
        label = ", ".join(f"{names[key]}={cell}" for key, cell in zip(keys, cells, strict=True))
        groups.append(RunGroup(label or _fallback_label(runs), cells, tuple(sorted(runs, key=_natural_order_of(lambda run: run.seed)))))
    return sorted(groups, key=_natural_order_of(lambda group: " ".join(group.values)))


def _natural_order_of(text: Callable[..., str]) -> Callable[..., list[tuple[int, float, str]]]:
    return lambda item: natural_sort_key(text(item))


def _fallback_label(runs: Sequence[RunRecord]) -> str:
    """What to call a group that nothing tells from others, since there are none."""
    return runs[0].name if len(runs) == 1 else f"all {len(runs)} runs"


def _join_distinct(values: Iterable[str]) -> str:
    return " / ".join(dict.fromkeys(values))


def _earliest(alarms: Sequence[AlarmRecord]) -> AlarmRecord:
    first = min(alarms, key=lambda alarm: alarm.step)
    message = first.message or next((alarm.message for alarm in alarms if alarm.message), "")
    remedy = first.remedy or next((alarm.remedy for alarm in alarms if alarm.remedy), "")
    return AlarmRecord(first.name, first.step, message, remedy)


# Keys that do not make another experiment of a run: its seed, where things lie, how often it tells of itself.
IGNORED_KEYS = (
    "seed",
    "resume",
    "dry_run",
    "hydra",
    "sweep.metric",
    "objective",
    "dataset.root",
    "train.replicas",
    "train.log_every",
    "train.sample_every",
    "train.checkpoint_every",
    "train.eval_every",
    "train.keep_checkpoints",
)


def configuration_id(run: RunRecord) -> str:
    """The same text for runs that differ in their seed alone, another one for any others."""
    return json.dumps({key: value for key, value in run.leaves.items() if _is_compared(key)}, sort_keys=True, default=str)


def distinguishing_keys(runs: Sequence[RunRecord]) -> list[str]:
    """Keys, config groups (``loss``) or settings (``optimizer.lr``), whose values tell the runs apart.

    What somebody chose on a command line, and differs, is told first. A group's option stands for the keys it implies:
    of what nobody chose, only as much is told as it takes to tell apart runs that are not the same.
    """
    groups = list(dict.fromkeys(group for run in runs for group in run.options))
    # `noise` is an option, and a key as well where the option is none.
    leaves = [key for key in dict.fromkeys(key for run in runs for key in run.leaves) if key not in groups]
    candidates = [key for key in (*groups, *leaves) if _is_compared(key) and _differs(runs, key)]
    chosen = list(dict.fromkeys(key for run in runs for key in map(_override_key, run.overrides)))
    told = [key for key in chosen if key in candidates]
    kinds = len({configuration_id(run) for run in runs})
    for key in candidates:
        if _count_distinct(runs, told) >= kinds:
            break
        if key not in told and _count_distinct(runs, [*told, key]) > _count_distinct(runs, told):
            told.append(key)
    return told


def fallback_keys(runs: Sequence[RunRecord]) -> list[str]:
    """Keys to call runs by that nothing tells apart."""
    return [key for key in ("loss", "dataset") if all(key in run.options for run in runs)]


def value(run: RunRecord, key: str) -> str:
    """What a run has for a key, as it is shown; ``?`` where its directory does not tell the option."""
    if key in run.options:
        return run.options[key]
    if key in run.leaves:
        return format_setting(run.leaves[key])
    return MISSING if run.options else "?"


def format_setting(leaf: object) -> str:
    """A value of a configuration as it is shown."""
    if isinstance(leaf, float):
        short = f"{leaf:g}"
        return short if float(short) == leaf else repr(leaf)
    if leaf is None or isinstance(leaf, bool):
        return json.dumps(leaf)
    return printable(json.dumps(leaf, default=str) if isinstance(leaf, list) else leaf)


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Key -> its last part, or all of it where that would be another key's as well."""
    last = {key: key.rpartition(".")[2] for key in keys}
    return {key: name if list(last.values()).count(name) == 1 else key for key, name in last.items()}


def shared_settings(runs: Sequence[RunRecord]) -> Mapping[str, str]:
    """Key -> value of what all runs have alike: the options of their groups, and what somebody set."""
    chosen = [key for run in runs for key in map(_override_key, run.overrides)]
    keys = dict.fromkeys(["dataset", "architecture", "loss", *chosen])
    known = [key for key in keys if _is_compared(key) and all(key in run.options or key in run.leaves for run in runs)]
    return {key: value(runs[0], key) for key in known if not _differs(runs, key)}


def _is_compared(key: str) -> bool:
    return not any(key == aside or key.startswith(f"{aside}.") for aside in IGNORED_KEYS)


def _differs(runs: Sequence[RunRecord], key: str) -> bool:
    return len({value(run, key) for run in runs}) > 1


def _count_distinct(runs: Sequence[RunRecord], keys: Sequence[str]) -> int:
    """How many different runs the keys see."""
    return len({tuple(value(run, key) for key in keys) for run in runs})


def _override_key(override: str) -> str:
    """The key of ``key=value``, ``+key=value`` or ``~key``; of ``group@place=option``, the group."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0]
