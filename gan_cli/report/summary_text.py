"""Summary of a comparison in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gan_cli.report import provenance, settings
from gan_cli.report.columns import Better, better, is_measured
from gan_cli.report.formatting import format_count, format_mean_and_deviation, join_words
from gan_cli.report.grouping import Comparison, GroupAlarm, RunGroup, Spread, rank_groups
from gan_cli.report.records import RunRecord, RunState

# Most groups that the sentence on an alarm lists; of more, the rest is counted.
MAX_NAMED_GROUPS = 6
MAX_LIST_ITEMS = 5


def title(comparison: Comparison) -> str:
    """Return the title of a comparison: ``loss and lr on ring8``, or the number of settings that differ."""
    keys = [key for key, _ in varied(comparison)]
    names = settings.short_names(keys)
    shared = settings.shared_settings(comparison.runs)
    learned_by = shared.get(settings.objective_group(comparison.runs), comparison.groups[0].label)
    subject = join_words([names[key] for key in keys]) if keys else learned_by
    if len(keys) > settings.MAX_LABEL_KEYS:
        subject = f"{format_count(len(comparison.groups), 'configuration')} that differ in {len(keys)} settings"
    return f"{subject} on {shared['dataset']}" if "dataset" in shared else subject


def varied(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the keys that differ, each with the values that occur."""
    pairs = []
    for index, key in enumerate(comparison.keys):
        values = list(dict.fromkeys(group.values[index] for group in comparison.groups))
        if len(values) > 1:
            pairs.append((key, ",".join(_limit_items(values))))
    return pairs


def extent(comparison: Comparison) -> str:
    """Return the numbers of runs, configurations and seeds, and the states of the runs."""
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
    """Return sentences on the best group, how it was measured, the alarms and unfinished runs."""
    return [*_best(comparison), *provenance.sentences(comparison), *_alarms(comparison), *_unfinished(comparison)]


def legend(comparison: Comparison) -> str:
    """Return the explanation of the numbers in the table."""
    if all(len(group.runs) == 1 for group in comparison.groups):
        sentences = ["Metrics are those of the last report of each run."]
    else:
        sentences = [
            "Metrics are those of the last report: mean ± sample standard deviation over seeds, of completed runs where"
            " a configuration has any, else of all as far as they have come.",
            "n: how many runs, where not all.",
        ]
    if any(group.best(tag) for group in comparison.groups for tag in comparison.tags):
        sentences.append("best: the best value on the way.")
    others = [key for key in comparison.keys if key not in comparison.named_keys]
    if others:
        sentences.append(
            f"Settings that differ as well, which the rows are not named by: {join_words(_limit_items(others))}"
            " (--csv has them all)."
        )
    if comparison.left_out:
        sentences.append(
            f"Left out, or in few of the rows: {join_words(_limit_items(comparison.left_out))} (--all-columns shows"
            " them)."
        )
    return " ".join(sentences)


def format_alarm(raised: GroupAlarm) -> str:
    """Format an alarm for a cell: ``mode_collapse 2 of 3, step 400``."""
    share = f" {raised.count} of {raised.total}" if raised.total > 1 else ""
    return f"{raised.alarm.name}{share}, step {raised.alarm.step:,}"


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
        f"{way} {tag} at the end: {first.label}, {_format_spread(best)};"
        f" next is {second.label}, {_format_spread(next_best)}.",
        _certainty(best, next_best),
        f"{format_count(without, 'configuration')} without this metric." if without else "",
    ]
    return [" ".join(filter(None, sentences))]


def _certainty(best: Spread, next_best: Spread) -> str:
    """Compare the gap between the two best groups with the deviation over seeds."""
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
        return ["No metric was measured on the samples of every configuration, so none is called the best."]
    return [
        "Nothing here measures the samples themselves, so no configuration is called the best: a divergence is what D"
        " estimates, on a scale of its own for each kind, and a weak D estimates too little. gan-eval PATH... measures"
        " the samples; --sort TAG ranks by any metric.",
        *(sentence for tag in comparison.tags if tag.startswith("divergence/") for sentence in _range(comparison, tag)),
    ]


def _range(comparison: Comparison, tag: str) -> list[str]:
    """Return the lowest and the highest last value with their groups, in at most one sentence."""
    order = [(group, final) for group in rank_groups(comparison.groups, tag) if (final := group.final(tag)) is not None]
    if len(order) < 2:
        return []
    (first, low), (last, high) = order[0], order[-1]
    return [f"{tag} at the end: from {_format_spread(low)} ({first.label}) to {_format_spread(high)} ({last.label})."]


def _alarms(comparison: Comparison) -> list[str]:
    by_name: dict[str, list[tuple[RunGroup, GroupAlarm]]] = {}
    for group in comparison.groups:
        for raised in group.alarms:
            by_name.setdefault(raised.alarm.name, []).append((group, raised))
    if not by_name:
        return ["No alarm was raised."]
    return [_alarm(name, occurrences) for name, occurrences in by_name.items()]


def _alarm(name: str, occurrences: Sequence[tuple[RunGroup, GroupAlarm]]) -> str:
    where = [f"{_share(raised)}{group.label} (from step {raised.alarm.step:,})" for group, raised in occurrences]
    if len(where) > MAX_NAMED_GROUPS:
        where = [*where[: MAX_NAMED_GROUPS - 1], f"{len(where) - MAX_NAMED_GROUPS + 1} more configurations"]
    message = next((raised.alarm.message for _, raised in occurrences if raised.alarm.message), "")
    remedy = next((raised.alarm.remedy for _, raised in occurrences if raised.alarm.remedy), "")
    sentence = f"{name} in {join_words(where)}."
    if message:
        sentence += f" {message[0].upper()}{message[1:].rstrip('.')}."
    return f"{sentence} Try {remedy}." if remedy else sentence


def _share(raised: GroupAlarm) -> str:
    return f"{raised.count} of {raised.total} of " if raised.total > 1 else ""


def _unfinished(comparison: Comparison) -> list[str]:
    words = {
        RunState.running: "still running",
        RunState.died: "died without a summary",
        RunState.failed: "failed",
        RunState.diverged: "diverged",
        RunState.interrupted: "interrupted",
        RunState.stopped: "stopped by an alarm or a callback",
    }
    sentences = []
    for state, text in words.items():
        runs = [run for run in comparison.runs if run.state is state]
        if runs:
            sentences.append(f"{format_count(len(runs), 'run')} {text}: {_list_runs(comparison, runs)}.")
    return sentences


def _list_runs(comparison: Comparison, runs: Sequence[RunRecord]) -> str:
    labels = {run.path: group.label for group in comparison.groups for run in group.runs}
    texts = [f"{labels[run.path]}{_seed(comparison, run)} at step {run.step:,}" for run in runs]
    return "; ".join(_limit_items(texts))


def _seed(comparison: Comparison, run: RunRecord) -> str:
    return "" if "seed" in comparison.keys else f", seed {run.seed}"


def _limit_items(items: Iterable[str]) -> list[str]:
    texts = list(items)
    rest = len(texts) - MAX_LIST_ITEMS
    return texts if rest <= 0 else [*texts[:MAX_LIST_ITEMS], f"{rest} more"]


def _format_spread(spread: Spread) -> str:
    return format_mean_and_deviation(spread.mean, spread.deviation)
