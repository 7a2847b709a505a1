"""Rendering of charts as SVG, in the colors of the page around them: pure functions from numbers to text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from gan_cli.report import columns
from gan_cli.report.charts import Chart, Line
from gan_cli.report.records import Floats

WIDTH, HEIGHT = 400, 230
LEFT, RIGHT, TOP, BOTTOM = 50, 22, 12, 36
# Numbers of colors in the page's style sheet, and of dash patterns that distinguish groups of one color.
COLORS, DASHES = 8, 4
MARK = 5  # half the width of an alarm's triangle
MIN_MAGNITUDE = 1e-100  # smaller values are drawn as 0
MIN_MARK_DISTANCE = 9  # alarms nearer than that are stacked


@dataclass(frozen=True)
class Axis:
    """Mapping of values to coordinates.

    Attributes:
        low: value at ``start``.
        high: value at ``end``, larger.
        start: coordinate of ``low``, in units of the view box.
        end: coordinate of ``high``.
        logarithmic: whether the scale is; ``low`` is positive then.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def coordinates(self, values: Floats) -> Floats:
        """Map values ``(N,)`` to coordinates; those outside the axis are clipped to its ends."""
        inside = np.clip(values, self.low, self.high)
        low, high = self.low, self.high
        if self.logarithmic:
            inside, low, high = np.log10(inside), math.log10(low), math.log10(high)
        mapped: Floats = self.start + (inside - low) / (high - low) * (self.end - self.start)
        return mapped

    def coordinate(self, value: float) -> float:
        """Map one value to its coordinate."""
        return float(self.coordinates(np.array([value]))[0])


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about ``count`` round numbers from ``low`` to ``high``: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(math.log(factor * power / rough)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """Return at most six powers of ten from ``low`` to ``high``."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / 6))
    return [10.0**power for power in range(first, last + 1, stride)]


def style(index: int) -> str:
    """Return the CSS classes of a group: its color, its dashes, and its own."""
    return f"c{index % COLORS} s{index // COLORS % DASHES} g{index}"


def key(index: int) -> Markup:
    """Return a short piece of a group's line, for legends."""
    line = element("line", {"class": f"mean {style(index)}", "x1": 0, "y1": 5, "x2": 26, "y2": 5})
    return element(
        "svg", {"class": "key", "viewBox": "0 0 26 10", "width": 26, "height": 10, "aria-hidden": "true"}, line
    )


def draw(chart: Chart) -> Markup:
    """Render a chart: grid, axes with their numbers, ceiling, bands, runs, means and alarms."""
    across, up = _axes(chart)
    lines = chart.lines
    parts = [
        *_grid(chart, across, up),
        *(_band(line, across, up) for line in lines if line.band.deviation.any()),
        *(
            _path(f"run {style(line.index)}", curve.steps, curve.values, across, up)
            for line in lines
            for curve in line.curves
        ),
        *(_mean(line, across, up) for line in lines),
        *_marks(lines, across),
    ]
    names = ", ".join(line.label for line in lines)
    attributes = {
        "class": "chart",
        "viewBox": f"0 0 {WIDTH} {HEIGHT}",
        "role": "img",
        "aria-label": f"{chart.tag} over the steps: {names}",
        "data-x": f"{across.low:g} {across.high:g} {across.start:g} {across.end:g}",
        "data-y": f"{up.low!r} {up.high!r} {up.start:g} {up.end:g} {int(up.logarithmic)}",
    }
    return element("svg", attributes, *parts)


def element(name: str, attributes: Mapping[str, object], *inner: str) -> Markup:
    """Return an element; attributes, and any text that is not ``Markup``, are escaped."""
    written = Markup("").join(Markup(' {}="{}"').format(attribute, text) for attribute, text in attributes.items())
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, Markup("").join(inner))


def _axes(chart: Chart) -> tuple[Axis, Axis]:
    last = max(float(line.band.steps[-1]) for line in chart.lines)
    across = Axis(0.0, max(last, 1.0), LEFT, WIDTH - RIGHT)
    low, high = _range(chart)
    return across, Axis(low, high, HEIGHT - BOTTOM, TOP, chart.logarithmic)


def _range(chart: Chart) -> tuple[float, float]:
    """Return the ends of the axis of values: from the lowest to the highest value, with a margin."""
    bands = [line.band for line in chart.lines]
    if chart.logarithmic:
        means = np.concatenate([band.mean for band in bands])
        return float(means.min()) / 1.5, float(means.max()) * 1.5
    edges = [values for band in bands for values in (band.mean - band.deviation, band.mean + band.deviation)]
    values = np.concatenate([*edges, *(curve.values for line in chart.lines for curve in line.curves)])
    low, high = float(values.min()), float(values.max())
    if chart.unit in columns.SHARES or chart.ceiling is not None:
        top = chart.ceiling[0] if chart.ceiling else 1.0
        return min(0.0, low), max(top * 1.06, high)
    # A constant curve gets a wide axis, which does not magnify rounding errors.
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * size or size < MIN_MAGNITUDE:
        margin = 0.5 * size if size >= MIN_MAGNITUDE else 1.0
    else:
        margin = 0.05 * (high - low)
    return low - margin, high + margin


def _grid(chart: Chart, across: Axis, up: Axis) -> list[Markup]:
    parts = []
    for value in decades(up.low, up.high) if up.logarithmic else ticks(up.low, up.high, 4):
        y = up.coordinate(value)
        parts.append(_rule("grid", LEFT, y, WIDTH - RIGHT, y))
        parts.append(_text("tick end", LEFT - 6, y + 4, f"{value:g}"))
    for value in ticks(across.low, across.high, 4):
        x = across.coordinate(value)
        parts.append(_rule("grid", x, TOP, x, HEIGHT - BOTTOM))
        parts.append(_text("tick middle", x, HEIGHT - BOTTOM + 15, f"{value:,g}"))
    parts.append(_text("tick end", WIDTH - RIGHT, HEIGHT - 4, "step"))
    if chart.ceiling is not None and chart.ceiling[0] <= up.high:
        value, name = chart.ceiling
        y = up.coordinate(value)
        parts.append(_rule("ceiling", LEFT, y, WIDTH - RIGHT, y))
        parts.append(_text("tick end ceiling-name", WIDTH - RIGHT - 2, y + 13, f"ceiling: {name}"))
    return parts


def _band(line: Line, across: Axis, up: Axis) -> Markup:
    band = line.band
    nonzero = band.deviation > 0
    steps, mean, deviation = band.steps[nonzero], band.mean[nonzero], band.deviation[nonzero]
    outline = [*_points(steps, mean + deviation, across, up), *_points(steps, mean - deviation, across, up)[::-1]]
    return element("polygon", {"class": f"band {style(line.index)}", "points": " ".join(outline)})


def _mean(line: Line, across: Axis, up: Axis) -> Markup:
    path = _path(f"mean {style(line.index)}", line.band.steps, line.band.mean, across, up, **{"data-label": line.label})
    if len(line.band.steps) > 1:
        return path
    # A line of one point is invisible; the only report of a run is shown as a dot.
    x, y = across.coordinate(float(line.band.steps[0])), up.coordinate(float(line.band.mean[0]))
    return element("circle", {"class": f"dot {style(line.index)}", "cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": 3})


def _path(classes: str, steps: Floats, values: Floats, across: Axis, up: Axis, **more: object) -> Markup:
    return element("polyline", {"class": classes, "points": " ".join(_points(steps, values, across, up)), **more})


def _points(steps: Floats, values: Floats, across: Axis, up: Axis) -> list[str]:
    return [f"{x:.1f},{y:.1f}" for x, y in zip(across.coordinates(steps), up.coordinates(values), strict=True)]


def _marks(lines: Sequence[Line], across: Axis) -> list[Markup]:
    """Return alarms as triangles on the axis of steps, stacked where they would overlap."""
    parts: list[Markup] = []
    drawn: list[float] = []
    for line in lines:
        for mark in line.marks:
            x = across.coordinate(float(mark.step))
            level = sum(abs(x - other) < MIN_MARK_DISTANCE for other in drawn)
            drawn.append(x)
            y = HEIGHT - BOTTOM - level * (MARK + 4)
            points = f"{x - MARK:.1f},{y} {x + MARK:.1f},{y} {x:.1f},{y - 2 * MARK + 1}"
            title = element("title", {}, mark.text)
            parts.append(element("polygon", {"class": f"mark {style(line.index)}", "points": points}, title))
    return parts


def _rule(classes: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    ends = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    return element("line", {"class": classes, **ends})


def _text(classes: str, x: float, y: float, text: str) -> Markup:
    return element("text", {"class": classes, "x": f"{x:.1f}", "y": f"{y:.1f}"}, text)
