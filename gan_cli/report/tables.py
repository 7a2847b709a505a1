"""Tables of a comparison: Markdown to read and paste, CSV to compute with."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from gan_cli.errors import printable
from gan_cli.report import family_tree, summary_text
from gan_cli.report.columns import is_measured
from gan_cli.report.formatting import MISSING, format_mean_and_deviation
from gan_cli.report.grouping import Comparison, RunGroup, Spread


def markdown(comparison: Comparison) -> str:
    """Return a Markdown table with a row for each group, followed by a summary in sentences."""
    tags = comparison.tags
    bests = [tag for tag in tags if any(group.best(tag) for group in comparison.groups)]
    columns = [[tag, f"best {tag}"] if tag in bests else [tag] for tag in tags]
    header = [
        *(comparison.named_keys or ["run"]),
        "seeds",
        "state",
        "step",
        *(name for column in columns for name in column),
        "alarms",
        "seconds",
        *(["directory"] if comparison.one_run_a_group else []),
    ]
    rows = [_row(comparison, group, bests) for group in comparison.groups]
    left = header.index("step")
    ruler = ["---" if index < left or name in ("alarms", "directory") else "---:" for index, name in enumerate(header)]
    lines = [_line(header), f"| {' | '.join(ruler)} |", *map(_line, rows)]
    sentences = [f"- {_escaped(sentence)}" for sentence in summary_text.summary(comparison)]
    members = [_escaped(line) for line in family_tree.as_markdown(family_tree.family_tree(comparison.runs))]
    tree = ["", "Which run began from which:", "", *members] if members else []
    return "\n".join([*lines, "", *sentences, "", _escaped(summary_text.legend(comparison)), *tree])


def csv_text(comparison: Comparison) -> str:
    """Return CSV with a row for each group: mean, deviation, count and best of each metric, with full precision."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    parts = {tag: ("", " std", " n", " best") if is_measured(tag) else ("", " std", " n") for tag in comparison.tags}
    metrics = [f"{tag}{part}" for tag in comparison.tags for part in parts[tag]]
    facts = ["group", "runs", "seeds", "state", "step"]
    writer.writerow([*comparison.keys, *facts, *metrics, "alarms", "seconds", "seconds std", "directories"])
    for group in comparison.groups:
        measured = [
            cell
            for tag in comparison.tags
            for cell in (*_parts(group.final(tag)), _count(group.final(tag)), _parts(group.best(tag))[0])[
                : len(parts[tag])
            ]
        ]
        alarms = "; ".join(summary_text.format_alarm(each) for each in group.alarms)
        seeds = " ".join(run.seed for run in group.runs)
        directories = "; ".join(printable(run.path) for run in group.runs)
        facts = [group.label, str(len(group.runs)), seeds, group.states, str(group.step)]
        writer.writerow([*group.values, *facts, *measured, alarms, *_parts(group.seconds), directories])
    return file.getvalue().rstrip("\n")


def format_spread(spread: Spread | None, of: int) -> str:
    """Format ``0.140 ± 0.012``, with the number of runs where it differs from ``of``."""
    if spread is None:
        return MISSING
    text = format_mean_and_deviation(spread.mean, spread.deviation)
    return text if spread.count == of else f"{text} (n={spread.count})"


def _row(comparison: Comparison, group: RunGroup, bests: Sequence[str]) -> list[str]:
    count = len(group.runs)
    cells: list[str] = []
    for tag in comparison.tags:
        cells.append(format_spread(group.final(tag), count))
        if tag in bests:
            cells.append(format_spread(group.best(tag), count))
    alarms = ", ".join(summary_text.format_alarm(each) for each in group.alarms) or "none"
    facts = [str(count), group.states, f"{group.step:,}"]
    directory = [printable(group.runs[0].path)] if comparison.one_run_a_group else []
    settings = comparison.named_values(group) or (group.label,)
    return [*settings, *facts, *cells, alarms, format_spread(group.seconds, count), *directory]


def _parts(spread: Spread | None) -> list[str]:
    if spread is None:
        return ["", ""]
    return [repr(spread.mean), "" if spread.deviation is None else repr(spread.deviation)]


def _count(spread: Spread | None) -> str:
    return "" if spread is None else str(spread.count)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    """Escape the characters that Markdown would interpret."""
    return re.sub(r"([\\|*`<]|\](?=\())", r"\\\1", text)
