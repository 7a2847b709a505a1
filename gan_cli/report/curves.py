"""Reading of ``metrics.jsonl``, of a run in any state, as curves."""

from __future__ import annotations

import errno
from array import array
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gan_cli.errors import printable
from gan_cli.protocols.arrays import DoubleArray
from gan_cli.report.records import Curve
from gan_cli.storage.json_files import parse_object
from gan_cli.storage.reading import read_lines

# Larger than any float32, and small enough for sums of squares in float64.
MAX_NUMBER = 1e100
# A long run has a hundred tags and a hundred thousand reports.
MAX_VALUES, MAX_TAGS = 10_000_000, 10_000
SPEED = "speed/steps_per_second"


def read_curves(file: Path) -> dict[str, Curve]:
    """Read tag -> curve of a ``metrics.jsonl``, without incomplete lines; empty where there is no such file.

    Raises:
        OSError: the file exists and cannot be read.
    """
    try:
        return collect_curves(line.decode(errors="replace") for line in read_lines(file))
    except FileNotFoundError:
        return {}


def collect_curves(lines: Iterable[str]) -> dict[str, Curve]:
    """Parse the lines of a ``metrics.jsonl`` as tag -> curve; of two lines of one step the later one counts.

    Raises:
        OSError: there are more tags or values than a run has, which would fill the memory.
    """
    points: dict[str, tuple[array[float], array[float]]] = {}
    count = 0
    for line in lines:
        record = parse_object(line)
        step = parse_number(record.get("step"))
        if step is None or step < 0:
            continue
        for tag, value in record.items():
            parsed = parse_number(value)
            if tag not in ("step", "time") and parsed is not None:
                steps, values = points.setdefault(printable(tag), (array("d"), array("d")))
                steps.append(int(step))
                values.append(parsed)
                count += 1
        if count > MAX_VALUES or len(points) > MAX_TAGS:
            raise OSError(errno.EFBIG, f"has more than {MAX_VALUES:,} values or {MAX_TAGS:,} tags")
    return {tag: _curve(np.array(steps), np.array(values)) for tag, (steps, values) in points.items()}


def training_seconds(curve: Curve | None) -> float | None:
    """Return the seconds of training, from the speeds between reports; None where there are none."""
    if curve is None or not (curve.values > 0).all():
        return None
    return float((np.diff(curve.steps, prepend=0.0) / curve.values).sum())


def parse_number(value: object) -> float | None:
    """Return a number of magnitude at most :data:`MAX_NUMBER` as float, None for anything else, booleans included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        converted = float(value)
    except OverflowError:
        return None
    return converted if abs(converted) <= MAX_NUMBER else None


def _curve(steps: DoubleArray, values: DoubleArray) -> Curve:
    """Sort the values by their steps, and keep the last one of each."""
    order = np.argsort(steps, kind="stable")
    steps, values = steps[order], values[order]
    last = np.append(steps[1:] != steps[:-1], True)
    return Curve(steps[last], values[last])
