"""Groups of runs that differ only in their seed, with means, deviations and alarms over the seeds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from gan_cli.report.columns import Better, better, is_measured
from gan_cli.report.formatting import MISSING, format_count
from gan_cli.report.records import AlarmRecord, RunRecord, RunState
from gan_cli.report.settings import (
    configuration_id,
    distinguishing_keys,
    fallback_keys,
    label_keys,
    short_names,
    value,
)

# Share of the groups that have a metric which is a default column.
MIN_FILLED_SHARE = 1 / 3

# Values that a label which leaves out settings leaves out as well: what a run does not have.
NOT_NAMED = (MISSING, "none")


@dataclass(frozen=True)
class Spread:
    """Statistics of a metric over seeds.

    Attributes:
        mean: over ``count`` runs.
        deviation: sample standard deviation (divided by n - 1); None for a single run.
        count: number of runs that have the metric.
    """

    mean: float
    deviation: float | None
    count: int


@dataclass(frozen=True)
class GroupAlarm:
    """An alarm with the number of runs of a group that raised it.

    Attributes:
        alarm: the earliest, with message and remedy of any run that has them.
        count: number of runs in which it was raised.
        total: number of runs.
    """

    alarm: AlarmRecord
    count: int
    total: int


@dataclass(frozen=True)
class RunGroup:
    """Runs of one configuration, which differ in their seeds.

    Attributes:
        label: settings that distinguish the group from the others, on one line.
        values: the same settings, one for each key of the comparison.
        runs: sorted by seed.
    """

    label: str
    values: tuple[str, ...]
    runs: tuple[RunRecord, ...]

    @cached_property
    def reported_runs(self) -> tuple[RunRecord, ...]:
        """Runs that statistics are taken over: those that completed; where there are none, all."""
        completed = tuple(run for run in self.runs if run.state is RunState.completed)
        return completed or self.runs

    def final(self, tag: str) -> Spread | None:
        """Return the statistics of last values over :attr:`reported_runs`; None where none of them has the metric."""
        return spread(run.final[tag] for run in self.reported_runs if tag in run.final)

    def best(self, tag: str) -> Spread | None:
        """Return the statistics of best values over :attr:`reported_runs`; None where none of them has the metric.

        The best of a metric that was not measured on samples is None as well: the smallest divergence is what a D
        estimated that had not learned anything yet.
        """
        if not is_measured(tag):
            return None
        return spread(run.best[tag].value for run in self.reported_runs if tag in run.best)

    @property
    def seconds(self) -> Spread | None:
        """Statistics of the seconds of training over :attr:`reported_runs`; None where unknown."""
        return spread(run.seconds for run in self.reported_runs if run.seconds is not None)

    @property
    def step(self) -> int:
        """Largest number of updates that any run has made."""
        return max(run.step for run in self.runs)

    @property
    def states(self) -> str:
        """States of the runs: ``completed``, or ``2 completed, 1 died``."""
        states = [run.state.value for run in self.runs]
        numbers = {state: states.count(state) for state in dict.fromkeys(states)}
        return ", ".join(f"{number} {state}" if len(states) > 1 else state for state, number in numbers.items())

    @property
    def alarms(self) -> list[GroupAlarm]:
        """Alarms that any of the runs raised, sorted by step."""
        by_name: dict[str, list[AlarmRecord]] = {}
        for run in self.runs:
            for alarm in {alarm.name: alarm for alarm in reversed(run.alarms)}.values():
                by_name.setdefault(alarm.name, []).append(alarm)
        raised = [GroupAlarm(_earliest(alarms), len(alarms), len(self.runs)) for alarms in by_name.values()]
        return sorted(raised, key=lambda each: each.alarm.step)

    @property
    def divergence(self) -> str:
        """Name of the divergence that D estimates, as in ``divergence/<name>``; empty where unknown."""
        return next((run.divergence for run in self.runs if run.divergence), "")


@dataclass(frozen=True)
class Comparison:
    """Groups of runs and the tags that a report compares them by.

    Attributes:
        keys: config groups and settings that differ.
        groups: in the order of display.
        tags: metrics of the table.
        main: metric that groups are ranked by, or None where the groups have none in common.
        left_out: metrics that the table would have if more of the groups had them.
        one_run_a_group: whether the groups are single runs, whose directories are shown.
    """

    keys: tuple[str, ...]
    groups: tuple[RunGroup, ...]
    tags: tuple[str, ...]
    main: str | None
    left_out: tuple[str, ...] = ()
    one_run_a_group: bool = False

    @property
    def runs(self) -> list[RunRecord]:
        return [run for group in self.groups for run in group.runs]

    @cached_property
    def named_keys(self) -> tuple[str, ...]:
        """Keys that labels and tables for a reader have: all, or of many as few as tell the groups apart."""
        return tuple(label_keys(self.runs, self.keys))

    def named_values(self, group: RunGroup) -> tuple[str, ...]:
        """Return the values of :attr:`named_keys` in a group."""
        by_key = dict(zip(self.keys, group.values, strict=True))
        return tuple(by_key[key] for key in self.named_keys)


def spread(values: Iterable[float]) -> Spread | None:
    """Return mean and sample standard deviation; None for no values."""
    known = list(values)
    if not known:
        return None
    return Spread(fmean(known), stdev(known) if len(known) > 1 else None, len(known))


def group_by_configuration(runs: Sequence[RunRecord]) -> tuple[list[str], list[RunGroup]]:
    """Return the keys that distinguish runs, and the runs in groups that differ in nothing but the seed."""
    keys = distinguishing_keys(runs) or fallback_keys(runs)
    by_configuration: dict[str, list[RunRecord]] = {}
    for run in runs:
        by_configuration.setdefault(configuration_id(run), []).append(run)
    return keys, _groups(keys, list(by_configuration.values()))


def group_each_run(runs: Sequence[RunRecord]) -> tuple[list[str], list[RunGroup]]:
    """Return the keys that distinguish runs, the seed among them, and each run as a group of its own."""
    keys = [*distinguishing_keys(runs), "seed"]
    return keys, _groups(keys, [[run] for run in runs])


def rank_groups(groups: Sequence[RunGroup], tag: str) -> list[RunGroup]:
    """Sort groups by a last value, the best first (the lowest where the metric has no direction), missing ones last."""
    sign = -1.0 if better(tag) is Better.higher else 1.0

    def rank(group: RunGroup) -> float:
        final = group.final(tag)
        return math.inf if final is None else sign * final.mean

    return sorted(groups, key=rank)


def main_tag(groups: Sequence[RunGroup], tags: Sequence[str]) -> str | None:
    """Return the first metric measured on samples that all groups with any such metric have; None without one."""
    measured = [tag for tag in tags if is_measured(tag)]
    with_measured = [group for group in groups if any(group.final(tag) for tag in measured)]
    return next((tag for tag in measured if all(group.final(tag) for group in with_measured)), None)


def common_tags(groups: Sequence[RunGroup], tags: Sequence[str]) -> list[str]:
    """Return the metrics that at least a third of the groups have."""
    least = MIN_FILLED_SHARE * len(groups)
    return [tag for tag in tags if sum(group.final(tag) is not None for group in groups) >= least]


def repeated_seeds(groups: Iterable[RunGroup]) -> list[str]:
    """Return a note for each group in which a seed occurs twice: such runs are not independent."""
    notes = []
    for group in groups:
        seeds = [run.seed for run in group.runs]
        repeated = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if repeated:
            which = f"{format_count(len(repeated), 'seed')} ({', '.join(repeated)})"
            notes.append(f"{group.label}: {which} more than once; each run counts, so the deviation is too small")
    return notes


def natural_sort_key(text: str) -> list[tuple[int, float, str]]:
    """Return a key for sorting that has 2 before 10, and 1e-4 before 0.001."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[-+]?\d+)?)", text)
    return [(0, float(part), "") if index % 2 else (1, 0.0, part) for index, part in enumerate(parts) if part]


def _groups(keys: Sequence[str], parts: Sequence[Sequence[RunRecord]]) -> list[RunGroup]:
    named = label_keys([run for runs in parts for run in runs], keys)
    names = short_names(named)
    groups: list[tuple[str, RunGroup]] = []
    for runs in parts:
        by_key = {key: _join_distinct(value(run, key) for run in runs) for key in keys}
        cells = tuple(by_key.values())
        shown = [key for key in named if by_key[key] not in NOT_NAMED] if len(named) < len(keys) else named
        label = ", ".join(f"{names[key]}={by_key[key]}" for key in shown or named)
        by_seed = tuple(sorted(runs, key=_natural_order_of(lambda run: run.seed)))
        place = " ".join([*(by_key[key] for key in named), *cells])
        groups.append((place, RunGroup(label or _fallback_label(runs), cells, by_seed)))
    return [group for _, group in sorted(groups, key=_natural_order_of(lambda item: item[0]))]


def _natural_order_of(text: Callable[..., str]) -> Callable[..., list[tuple[int, float, str]]]:
    return lambda item: natural_sort_key(text(item))


def _fallback_label(runs: Sequence[RunRecord]) -> str:
    """Return the label of the only group, which no key distinguishes from others."""
    return runs[0].name if len(runs) == 1 else f"all {len(runs)} runs"


def _join_distinct(values: Iterable[str]) -> str:
    return " / ".join(dict.fromkeys(values))


def _earliest(alarms: Sequence[AlarmRecord]) -> AlarmRecord:
    first = min(alarms, key=lambda alarm: alarm.step)
    message = first.message or next((alarm.message for alarm in alarms if alarm.message), "")
    remedy = first.remedy or next((alarm.remedy for alarm in alarms if alarm.remedy), "")
    return AlarmRecord(first.name, first.step, message, remedy)
