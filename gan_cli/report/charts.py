"""What the charts show: one figure each, a line for each group with its deviation over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gan_cli.report import columns
from gan_cli.report.grouping import Comparison, RunGroup
from gan_cli.report.records import Curve, Floats

# A curve is drawn with so many points at most; a chart is no wider.
MAX_POINTS = 200
# Single runs are drawn where there are no more than so many; more would hide the means.
MAX_RUNS = 40
# A figure that is positive, knows no bound and spans so many times its smallest value is drawn on a logarithmic axis.
LOG_AXIS_RATIO = 300.0


@dataclass(frozen=True)
class Band:
    """A figure over the steps and over seeds.

    Attributes:
        steps: ``(N,)``, ascending.
        mean: ``(N,)``, over the runs that have come so far.
        deviation: ``(N,)``, of the sample; 0 where there is one run alone.
    """

    steps: Floats
    mean: Floats
    deviation: Floats


@dataclass(frozen=True)
class AlarmMark:
    """An alarm on the axis of steps."""

    step: int
    text: str


@dataclass(frozen=True)
class Line:
    """A group in a chart.

    Attributes:
        place: of the group in the comparison, which its colour follows.
        label: what it is called.
        band: mean and deviation.
        curves: of its runs, where there are several and not too many.
        marks: its alarms.
    """

    place: int
    label: str
    band: Band
    curves: tuple[Curve, ...]
    marks: tuple[AlarmMark, ...]


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        tag: the figure.
        unit: what it is measured in; may be empty.
        about: for which losses, by the divergence they estimate, where that matters; may be empty.
        ceiling: the largest value there can be and how it is written, or None.
        logarithmic: whether its axis should be.
        lines: of the groups that have the figure.
    """

    tag: str
    unit: str
    about: str
    ceiling: tuple[float, str] | None
    logarithmic: bool
    lines: tuple[Line, ...]


def charts(comparison: Comparison, tags: Sequence[str]) -> list[Chart]:
    """Charts of these figures; two of one where its values depend on the loss and losses differ."""
    return [chart for tag in tags for chart in _charts(comparison, tag)]


def mean_over_seeds(curves: Sequence[Curve]) -> Band:
    """Mean and sample deviation at every step that any of the curves has, each as far as it goes.

    Between two of its steps a curve is taken for straight, for runs may report at different ones.
    """
    steps = np.unique(np.concatenate([curve.steps for curve in curves]))
    table = np.stack([np.interp(steps, curve.steps, curve.values, left=np.nan, right=np.nan) for curve in curves])
    known = np.isfinite(table)
    count = known.sum(axis=0)
    filled = np.where(known, table, 0.0)
    mean = filled.sum(axis=0) / count
    squares = np.where(known, np.square(filled - mean), 0.0).sum(axis=0)
    return Band(steps, mean, np.sqrt(squares / np.maximum(count - 1, 1)))


def thin_curve(curve: Curve) -> Curve:
    """The curve with an even choice of its points that holds the first and last."""
    kept = _kept_indices(len(curve.steps))
    return Curve(curve.steps[kept], curve.values[kept])


def _charts(comparison: Comparison, tag: str) -> Iterator[Chart]:
    kinds = columns.comparable_groups(tag, [group.divergence for group in comparison.groups])
    alone = len(comparison.runs) <= MAX_RUNS
    drawn = {
        kind: [line for place in places if (line := _line(comparison.groups[place], place, tag, alone)) is not None]
        for kind, places in kinds.items()
    }
    drawn = {kind: lines for kind, lines in drawn.items() if lines}
    for kind, lines in drawn.items():
        divergence = kind or tag.removeprefix("divergence/")
        about = f"{kind} losses" if kind and len(drawn) > 1 else ""
        unit, ceiling = columns.unit(tag, divergence), columns.ceiling(tag)
        logarithmic = ceiling is None and unit not in columns.SHARES and _is_wide(lines)
        yield Chart(tag, unit, about, ceiling, logarithmic, tuple(lines))


def _line(group: RunGroup, place: int, tag: str, alone: bool) -> Line | None:
    curves = [run.curves[tag] for run in group.runs if tag in run.curves]
    if not curves:
        return None
    band = mean_over_seeds(curves)
    kept = _kept_indices(len(band.steps))
    marks = tuple(
        AlarmMark(each.alarm.step, f"{each.alarm.name}: {group.label}, step {each.alarm.step:,}") for each in group.alarms
    )
    return Line(
        place,
        group.label,
        Band(band.steps[kept], band.mean[kept], band.deviation[kept]),
        tuple(thin_curve(curve) for curve in curves) if alone and len(curves) > 1 else (),
        marks,
    )


def _kept_indices(count: int) -> slice | Sequence[int]:
    if count <= MAX_POINTS:
        return slice(None)
    kept: list[int] = np.linspace(0, count - 1, MAX_POINTS).round().astype(int).tolist()
    return kept


def _is_wide(lines: Sequence[Line]) -> bool:
    values = np.concatenate([line.band.mean for line in lines])
    return bool(values.min() > 0 and values.max() / values.min() > LOG_AXIS_RATIO)
