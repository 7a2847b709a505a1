"""Data of the charts: one metric each, a line for each group with its deviation over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gan_cli.report import columns
from gan_cli.report.grouping import Comparison, RunGroup
from gan_cli.report.records import Curve, Floats

# Most points that a curve is drawn with; a chart is no wider.
MAX_POINTS = 200
# Most runs that are drawn singly beside the means; more would hide these.
MAX_RUNS = 40
# Ratio of the largest to the smallest mean from which on a positive, unbounded metric gets a logarithmic axis.
LOG_AXIS_RATIO = 300.0


@dataclass(frozen=True)
class Band:
    """Mean and deviation of a metric over seeds, at each step.

    Attributes:
        steps: ``(N,)``, ascending.
        mean: ``(N,)``, over the runs that have reached the step.
        deviation: ``(N,)``, sample standard deviation; 0 where a single run has reached the step.
    """

    steps: Floats
    mean: Floats
    deviation: Floats


@dataclass(frozen=True)
class AlarmMark:
    """An alarm, to be marked on the axis of steps."""

    step: int
    text: str


@dataclass(frozen=True)
class Line:
    """Curves and alarms of a group in a chart.

    Attributes:
        index: of the group in the comparison, which determines its colour.
        label: of the group.
        band: mean and deviation.
        curves: of its runs, where there are several and at most :data:`MAX_RUNS` in all.
        marks: its alarms.
    """

    index: int
    label: str
    band: Band
    curves: tuple[Curve, ...]
    marks: tuple[AlarmMark, ...]


@dataclass(frozen=True)
class Chart:
    """One chart: a metric of several groups over the steps.

    Attributes:
        tag: of the metric.
        unit: of the metric; may be empty.
        about: losses that the chart is restricted to, by the divergence they estimate; may be empty.
        ceiling: largest possible value and its text, or None.
        logarithmic: whether the axis of values is.
        lines: of the groups that have the metric.
    """

    tag: str
    unit: str
    about: str
    ceiling: tuple[float, str] | None
    logarithmic: bool
    lines: tuple[Line, ...]


def charts(comparison: Comparison, tags: Sequence[str]) -> list[Chart]:
    """Return the charts of these metrics; several for one where its values depend on the loss and losses differ."""
    return [chart for tag in tags for chart in _charts(comparison, tag)]


def mean_over_seeds(curves: Sequence[Curve]) -> Band:
    """Return mean and sample deviation at every step of any of the curves, over those that reach it.

    Curves are interpolated linearly between their steps, since runs may report at different ones.
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
    """Return the curve with at most :data:`MAX_POINTS` evenly chosen points, the first and last among them."""
    kept = _kept_indices(len(curve.steps))
    return Curve(curve.steps[kept], curve.values[kept])


def _charts(comparison: Comparison, tag: str) -> Iterator[Chart]:
    kinds = columns.comparable_groups(tag, [group.divergence for group in comparison.groups])
    single_runs = len(comparison.runs) <= MAX_RUNS
    drawn = {
        kind: [
            line for index in indices if (line := _line(comparison.groups[index], index, tag, single_runs)) is not None
        ]
        for kind, indices in kinds.items()
    }
    drawn = {kind: lines for kind, lines in drawn.items() if lines}
    for kind, lines in drawn.items():
        about = f"{kind} losses" if kind and len(drawn) > 1 else ""
        runs = [run for line in lines for run in comparison.groups[line.index].runs]
        unit, ceiling = columns.unit(tag, runs), columns.ceiling(tag, runs)
        logarithmic = ceiling is None and unit not in columns.SHARES and _is_wide(lines)
        yield Chart(tag, unit, about, ceiling, logarithmic, tuple(lines))


def _line(group: RunGroup, index: int, tag: str, single_runs: bool) -> Line | None:
    curves = [run.curves[tag] for run in group.runs if tag in run.curves]
    if not curves:
        return None
    band = mean_over_seeds(curves)
    kept = _kept_indices(len(band.steps))
    marks = tuple(
        AlarmMark(raised.alarm.step, f"{raised.alarm.name}: {group.label}, step {raised.alarm.step:,}")
        for raised in group.alarms
    )
    return Line(
        index,
        group.label,
        Band(band.steps[kept], band.mean[kept], band.deviation[kept]),
        tuple(thin_curve(curve) for curve in curves) if single_runs and len(curves) > 1 else (),
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
