"""Evaluations of several runs as one table, to read or as CSV. Imports no torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from gan_cli.report.columns import default_tags
from gan_cli.report.formatting import MISSING, format_number


def text_table(evaluated: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a row for each run with its most telling metrics, in aligned columns.

    Args:
        evaluated: name of a run -> content of its ``evaluation.json``.
    """
    metrics = default_tags(_metrics(list(evaluated.values())))
    rows = [("run", "step", *metrics)]
    for name, content in evaluated.items():
        values = (_value(content, metric) for metric in metrics)
        rows.append(
            (
                name,
                f"{content['generator'].get('step', MISSING)}",
                *(MISSING if value is None else format_number(value) for value in values),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            (row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)))
        )
        for row in rows
    )


def headline(content: Mapping[str, Any]) -> str:
    """Return the most telling metrics of an evaluation on one line: ``frechet/pixels 0.763, ...``."""
    values = ((metric, _value(content, metric)) for metric in default_tags(_metrics([content])))
    return ", ".join(f"{metric} {MISSING if value is None else format_number(value)}" for metric, value in values)


def csv_table(evaluated: Mapping[str, Mapping[str, Any]]) -> str:
    """Return CSV with a row for each run: all metrics, and their floors, with full precision."""
    metrics = _metrics(list(evaluated.values()))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    parts = [(metric, part) for metric in metrics for part in ("value", "floor")]
    heads = [metric if part == "value" else f"{metric} {part}" for metric, part in parts]
    writer.writerow(["run", "step", "samples", "seed", *heads])
    for name, content in evaluated.items():
        cells = (_value(content, metric, part) for metric, part in parts)
        facts = [content["generator"].get("step", ""), content["samples"]["generated"], content["seed"]]
        writer.writerow([name, *facts, *("" if cell is None else repr(cell) for cell in cells)])
    return file.getvalue().rstrip("\n")


def _metrics(contents: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(metric for content in contents for metric in content["figures"]))


def _value(content: Mapping[str, Any], metric: str, part: str = "value") -> float | None:
    found = content["figures"].get(metric, {}).get(part)
    return found if isinstance(found, float | int) else None
