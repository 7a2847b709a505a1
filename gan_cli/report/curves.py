"""Reading of ``metrics.jsonl``, of a run in any state, as curves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan_cli.report.formatting import printable
from gan_cli.report.records import Curve

# Larger than any float32, and small enough for sums of squares in float64.
MAX_NUMBER = 1e100
SPEED = "speed/steps_per_second"


def read_curves(file: Path) -> dict[str, Curve]:
    """Read tag -> curve of a ``metrics.jsonl``, without incomplete lines; empty where there is no such file.

    Raises:
        OSError: the file exists and cannot be read.
    """
    if file.exists() and not file.is_file():
        return {}  # reading a pipe would block
    try:
        with file.open(errors="replace") as lines:
            return collect_curves(lines)
    except FileNotFoundError:
        return {}


def collect_curves(lines: Iterable[str]) -> dict[str, Curve]:
    """Parse the lines of a ``metrics.jsonl`` as tag -> curve; of two lines of one step the later one counts."""
    points: dict[str, dict[int, float]] = {}
    for line in lines:
        record = parse_object(line)
        step = parse_number(record.get("step"))
        if step is None or step < 0:
            continue
        for tag, value in record.items():
            parsed = parse_number(value)
            if tag not in ("step", "time") and parsed is not None:
                points.setdefault(printable(tag), {})[int(step)] = parsed
    return {tag: _curve(values) for tag, values in points.items()}


def training_seconds(curve: Curve | None) -> float | None:
    """Return the seconds of training, from the speeds between reports; None where there are none."""
    if curve is None or not (curve.values > 0).all():
        return None
    return float((np.diff(curve.steps, prepend=0.0) / curve.values).sum())


def parse_object(text: str) -> Mapping[str, Any]:
    """Parse a JSON object; empty where the text is none."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def parse_number(value: object) -> float | None:
    """Return a number of magnitude at most :data:`MAX_NUMBER` as float, None for anything else, booleans included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        converted = float(value)
    except OverflowError:
        return None
    return converted if abs(converted) <= MAX_NUMBER else None


def _curve(values: Mapping[int, float]) -> Curve:
    steps = sorted(values)
    return Curve(np.array(steps, np.float64), np.array([values[step] for step in steps], np.float64))
