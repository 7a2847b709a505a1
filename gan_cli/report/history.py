"""``metrics.jsonl`` as curves, whatever a crash has left of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan_cli.report.runs import Curve
from gan_cli.report.text import printable

# No figure of a run in float32 is larger, and sums of squares of what is smaller can be computed.
LARGEST = 1e100
SPEED = "speed/steps_per_second"


def curves(file: Path) -> dict[str, Curve]:
    """Tag -> curve of a ``metrics.jsonl``; none where there is no such file, and without the lines that are not whole.

    Raises:
        OSError: the file is there and cannot be read.
    """
    if file.exists() and not file.is_file():
        return {}  # a pipe would be waited for without end
    try:
        with file.open(errors="replace") as lines:
            return collected(lines)
    except FileNotFoundError:
        return {}


def collected(lines: Iterable[str]) -> dict[str, Curve]:
    """Tag -> curve of the lines of a ``metrics.jsonl``; of two lines of one step the later one counts."""
    found: dict[str, dict[int, float]] = {}
    for line in lines:
        record = parsed(line)
        step = number(record.get("step"))
        if step is None or step < 0:
            continue
        for tag, value in record.items():
            figure = number(value)
            if tag not in ("step", "time") and figure is not None:
                found.setdefault(printable(tag), {})[int(step)] = figure
    return {tag: _curve(points) for tag, points in found.items()}


def seconds(curve: Curve | None) -> float | None:
    """Time spent training, from the speeds between two reports; None where there are none."""
    if curve is None or not (curve.values > 0).all():
        return None
    return float((np.diff(curve.steps, prepend=0.0) / curve.values).sum())


def parsed(text: str) -> Mapping[str, Any]:
    """A JSON object, or an empty one where the text is none."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def number(value: object) -> float | None:
    """A number of at most :data:`LARGEST`, or None for anything else; JSON's true and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        figure = float(value)
    except OverflowError:
        return None
    return figure if abs(figure) <= LARGEST else None


def _curve(points: Mapping[int, float]) -> Curve:
    steps = sorted(points)
    return Curve(np.array(steps, np.float64), np.array([points[step] for step in steps], np.float64))
