"""What a comparison comes to, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gan_cli.report import grouping
from gan_cli.report.columns import Better, better, is_measured
from gan_cli.report.formatting import format_count, join_words, format_mean_and_deviation
from gan_cli.report.grouping import Comparison, RunGroup, GroupAlarm, Spread, rank_groups
from gan_cli.report.records import RunRecord, RunState

# Groups that alarms are told of one by one; above that, they are counted.
MAX_NAMED_GROUPS = 6
MAX_LIST_ITEMS = 5


def title(comparison: Comparison) -> str:
    """What is compared: ``loss and lr on ring8``."""
    keys = [key for key, _ in varied(comparison)]
    names = grouping.short_names(keys)
    shared = grouping.shared_settings(comparison.runs)
    what = join_words([names[key] for key in keys]) if keys else shared.get("loss", comparison.groups[0].label)
    return f"{what} on {shared['dataset']}" if "dataset" in shared else what


def varied(comparison: Comparison) -> list[tuple[str, str]]:
    """The keys that differ, each with the values that occur."""
    told = []
    for place, key in enumerate(comparison.keys):
        values = list(dict.fromkeys(group.values[place] for group in comparison.groups))
        if len(values) > 1:
            told.append((key, ",".join(_limit_items(values))))
    return told


def extent(comparison: Comparison) -> str:
    """How many runs, configurations and seeds there are, and how the runs stand."""
    runs = comparison.runs
    parts = [format_count(len(runs), "run")]
    if "seed" not in comparison.keys:
        parts.append(format_count(len(comparison.groups), "configuration"))
    seeds = sorted({len(group.runs) for group in comparison.groups})
    if seeds[-1] > 1:
        parts.append(f"{seeds[0]} seeds each" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds each")
    states = [run.state for run in runs]
    parts.append(", ".join(f"{states.count(state)} {state.value}" for state in RunState if state in states))
    return "; ".join(parts)


def summary(comparison: Comparison) -> list[str]:
    """Sentences: the best group, the alarms, runs that have not come to an end."""
    return [*_best(comparison), *_alarms(comparison), *_unfinished(comparison)]


def legend(comparison: Comparison) -> str:
    """How to read the figures of the table."""
    if all(len(group.runs) == 1 for group in comparison.groups):
        return "Figures are those of the last report of each run. best: the best value on the way."
    return (
        "Figures are those of the last report: mean ± sample standard deviation over seeds, of completed runs where a"
        " configuration has any, else of all as far as they have come. n: how many runs, where not all. best: the best"
        " value on the way."
    )


def format_alarm(each: GroupAlarm) -> str:
    """An alarm in a cell: ``mode_collapse 2 of 3, step 400``."""
    share = f" {each.count} of {each.total}" if each.total > 1 else ""
    return f"{each.alarm.name}{share}, step {each.alarm.step:,}"


def _best(comparison: Comparison) -> list[str]:
    tag, groups = comparison.main, comparison.groups
    if tag is None:
        return _no_ranking(comparison)
    order = [(group, final) for group in rank_groups(groups, tag) if (final := group.final(tag)) is not None]
    if len(order) < 2:
        return [f"{tag}: {_format_spread(order[0][1])} for {order[0][0].label}."] if order else []
    (first, best), (second, next_best) = order[:2]
    way = {Better.lower: "Lowest", Better.higher: "Highest", None: "Lowest"}[better(tag)]
    without = len(groups) - len(order)
    sentences = [
        f"{way} {tag} at the end: {first.label}, {_format_spread(best)}; next is {second.label}, {_format_spread(next_best)}.",
        _certainty(best, next_best),
        f"{format_count(without, 'configuration')} without this figure." if without else "",
    ]
    return [" ".join(filter(None, sentences))]


def _certainty(best: Spread, next_best: Spread) -> str:
    """How far the two best groups lie apart, against how far seeds do."""
    if best.deviation is None or next_best.deviation is None:
        return "From one seed there is no telling how much of that is chance."
    pooled = math.sqrt((best.deviation**2 + next_best.deviation**2) / 2)
    gap = abs(best.mean - next_best.mean)
    if gap <= 2 * pooled * math.sqrt(1 / best.count + 1 / next_best.count):
        return "The seeds do not tell the two apart."
    return f"The gap is {gap / pooled:.1f} times the deviation over seeds." if pooled else ""


def _no_ranking(comparison: Comparison) -> list[str]:
    if len(comparison.groups) < 2:
        return []
    if any(map(is_measured, comparison.tags)):
        return ["No figure was measured on the samples of every configuration, so none is called the best."]
    return [
        "Nothing here measures the samples themselves, so no configuration is called the best: a divergence is what D"
        " estimates, on a scale of its own for each kind, and a weak D estimates too little. gan-eval RUN_DIR measures"
        " the samples; --sort TAG ranks by any figure.",
        *(sentence for tag in comparison.tags if tag.startswith("divergence/") for sentence in _range(comparison, tag)),
    ]


def _range(comparison: Comparison, tag: str) -> list[str]:
    """From the lowest to the highest last value, and whose they are."""
    order = [(group, final) for group in rank_groups(comparison.groups, tag) if (final := group.final(tag)) is not None]
    if len(order) < 2:
        return []
    (first, low), (last, high) = order[0], order[-1]
    return [f"{tag} at the end: from {_format_spread(low)} ({first.label}) to {_format_spread(high)} ({last.label})."]


def _alarms(comparison: Comparison) -> list[str]:
    by_name: dict[str, list[tuple[RunGroup, GroupAlarm]]] = {}
    for group in comparison.groups:
        for each in group.alarms:
            by_name.setdefault(each.alarm.name, []).append((group, each))
    if not by_name:
        return ["No alarm was raised."]
    return [_alarm(name, occurrences) for name, occurrences in by_name.items()]


def _alarm(name: str, occurrences: Sequence[tuple[RunGroup, GroupAlarm]]) -> str:
    where = [f"{_share(each)}{group.label} (from step {each.alarm.step:,})" for group, each in occurrences]
    if len(where) > MAX_NAMED_GROUPS:
        where = [*where[: MAX_NAMED_GROUPS - 1], f"{len(where) - MAX_NAMED_GROUPS + 1} more configurations"]
    message = next((each.alarm.message for _, each in occurrences if each.alarm.message), "")
    remedy = next((each.alarm.remedy for _, each in occurrences if each.alarm.remedy), "")
    sentence = f"{name} in {join_words(where)}."
    if message:
        sentence += f" {message[0].upper()}{message[1:].rstrip('.')}."
    return f"{sentence} Try {remedy}." if remedy else sentence


def _share(each: GroupAlarm) -> str:
    return f"{each.count} of {each.total} of " if each.total > 1 else ""


def _unfinished(comparison: Comparison) -> list[str]:
    words = {
        RunState.running: "still running",
        RunState.died: "died without a summary",
        RunState.failed: "failed",
        RunState.diverged: "diverged",
        RunState.interrupted: "interrupted",
    }
    sentences = []
    for state, text in words.items():
        runs = [run for run in comparison.runs if run.state is state]
        if runs:
            sentences.append(f"{format_count(len(runs), 'run')} {text}: {_places(comparison, runs)}.")
    return sentences


def _places(comparison: Comparison, runs: Sequence[RunRecord]) -> str:
    labels = {run.path: group.label for group in comparison.groups for run in group.runs}
    told = [f"{labels[run.path]}{_seed(comparison, run)} at step {run.step:,}" for run in runs]
    return "; ".join(_limit_items(told))


def _seed(comparison: Comparison, run: RunRecord) -> str:
    return "" if "seed" in comparison.keys else f", seed {run.seed}"


def _limit_items(items: Iterable[str]) -> list[str]:
    every = list(items)
    rest = len(every) - MAX_LIST_ITEMS
    return every if rest <= 0 else [*every[:MAX_LIST_ITEMS], f"{rest} more"]


def _format_spread(spread: Spread) -> str:
    return format_mean_and_deviation(spread.mean, spread.deviation)
