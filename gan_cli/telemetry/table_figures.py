"""Pictures of rows of a table: histograms and scatter plots of its columns, with axes in the table's own units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from gan_cli.protocols.algorithm import ShownTable
from gan_cli.protocols.arrays import ByteArray, DoubleArray, FloatArray
from gan_cli.protocols.tables import TableColumns
from gan_cli.telemetry.images import EMPTY, FAKE, GREYS, REAL, draw_points, palette_image
from gan_cli.telemetry.lettering import cut_to_width, is_drawable, text_pixels
from gan_cli.telemetry.sheets import LINE, MARGIN, TICK, ink, ink_upwards, legend_entry, ticks

# Columns in a picture: in pairs up to so many, then each of the first ones by itself.
MAX_PAIRED = 6
MARGINALS_IN_ROW = 3
# In pixels: all cells of a side together, one cell at most and of marginals, and numbers of an axis.
ALL_CELLS, LARGEST_CELL, MARGINAL_CELL, NUMBERS = 720, 480, 240, 54
GAP = 8
BINS = 30
CELL_TICKS = 5
# Generated rows in a scatter plot, at least: more than there are real ones would hide these.
SCATTERED = 250
# Bars of real rows, light below the outline of generated ones.
BAR = GREYS[5]
# Share of the range of real numbers that generated ones may widen it by, to each side.
WIDENED, AROUND = 0.5, 0.04


@dataclass(frozen=True)
class _Axis:
    """A column in a picture.

    Attributes:
        name: as it can be drawn.
        low: smallest number shown, in the table's own units.
        high: largest number shown.
        real: ``(M,)`` numbers of real rows, which may be none.
        generated: ``(N,)`` numbers of generated rows.
    """

    name: str
    low: float
    high: float
    real: DoubleArray
    generated: DoubleArray

    def share(self, values: DoubleArray) -> DoubleArray:
        """Return the place of numbers on the axis: 0 is its lower end, 1 its upper end."""
        shares: DoubleArray = (values - self.low) / (self.high - self.low)
        return shares


def table_figure(samples: FloatArray, table: ShownTable, title: str) -> Image.Image:
    """Draw generated rows ``(N, D)`` beside real ones.

    One column is a histogram, up to six are scatter plots of all pairs with histograms on the diagonal; of more, the
    histograms of the first six are drawn, and the title says so.
    """
    columns = table.columns
    count, shown = len(columns.names), min(len(columns.names), MAX_PAIRED)
    axes = _axes(samples[:, :shown], table, columns.subset(range(shown)))
    sheet = _pairs(axes) if count <= MAX_PAIRED else _marginals(axes)
    title = title if count <= MAX_PAIRED else f"{title}: the first {shown} of {count} columns"
    right = sheet.shape[1] - MARGIN
    right = legend_entry(sheet, "generated", FAKE, right)
    if table.real is not None:
        right = legend_entry(sheet, "real", REAL if 1 < count <= MAX_PAIRED else BAR, right)
    ink(sheet, cut_to_width(title, right - MARGIN), MARGIN, 2)
    return palette_image(sheet)


def _axes(samples: FloatArray, table: ShownTable, columns: TableColumns) -> list[_Axis]:
    generated, real = columns.restore(samples), np.empty((0, len(columns.names)))
    if table.real is not None:
        real = columns.restore(table.real[:, : len(columns.names)])
    return [
        _axis(name if is_drawable(name) else f"column {number}", real[:, number - 1], generated[:, number - 1])
        for number, name in enumerate(columns.names, 1)
    ]


def _axis(name: str, real: DoubleArray, generated: DoubleArray) -> _Axis:
    """Return an axis that shows all real numbers and, up to half their range beyond, all generated ones."""
    both = np.concatenate([real, generated[np.isfinite(generated)]])
    low, high = (float(both.min()), float(both.max())) if len(both) else (0.0, 0.0)
    if len(real):
        span = float(real.max() - real.min())
        low, high = max(low, float(real.min()) - WIDENED * span), min(high, float(real.max()) + WIDENED * span)
    around = AROUND * (high - low) or 0.5 * (abs(high) or 1.0)
    return _Axis(name, low - around, high + around, real, generated)


def _pairs(axes: list[_Axis]) -> ByteArray:
    """Draw a square of plots: column by column to the right, row by row downwards."""
    cell = min(LARGEST_CELL, (ALL_CELLS - GAP * len(axes)) // len(axes))
    step, left = cell + GAP, LINE + NUMBERS
    size = step * len(axes)
    sheet = np.full((LINE + size + LINE + LINE, left + size), EMPTY, np.uint8)
    for row, up in enumerate(axes):
        for column, along in enumerate(axes):
            plot = _histogram(along, cell, cell) if row == column else _scatter(along, up, cell)
            _frame(sheet, plot, left + column * step, LINE + row * step)
        if len(axes) > 1:
            _write_axis_upwards(sheet, up, left, LINE + row * step, cell)
    for column, along in enumerate(axes):
        _write_axis(sheet, along, left + column * step, LINE + (len(axes) - 1) * step + cell, cell)
    return sheet


def _marginals(axes: list[_Axis]) -> ByteArray:
    """Draw the histogram of each column, some in a row."""
    cell, rows = MARGINAL_CELL, -(-len(axes) // MARGINALS_IN_ROW)
    across, down = cell + 3 * GAP, cell + GAP + 2 * LINE
    sheet = np.full((LINE + rows * down, 2 * GAP + MARGINALS_IN_ROW * across), EMPTY, np.uint8)
    for index, axis in enumerate(axes):
        row, column = divmod(index, MARGINALS_IN_ROW)
        left, top = 2 * GAP + column * across, LINE + row * down
        _frame(sheet, _histogram(axis, cell, cell), left, top)
        _write_axis(sheet, axis, left, top + cell, cell)
    return sheet


def _scatter(along: _Axis, up: _Axis, side: int) -> ByteArray:
    plot = np.full((side, side), EMPTY, np.uint8)
    shown = max(SCATTERED, len(along.real))
    for colour, x, y in ((REAL, along.real, up.real), (FAKE, along.generated[:shown], up.generated[:shown])):
        places = np.stack([along.share(x), up.share(y)], axis=1)
        draw_points(plot, (2 * places - 1).astype(np.float32), 1.0, colour, radius=1)
    return plot


def _histogram(axis: _Axis, height: int, width: int) -> ByteArray:
    """Draw shares of rows: bars of real ones, and the outline of those of generated ones."""
    plot = np.full((height, width), EMPTY, np.uint8)
    bins = min(BINS, width // 4)
    real, generated = (_shares(axis, values, bins) for values in (axis.real, axis.generated))
    scale = 0.95 * (height - 1) / max(real.max(), generated.max(), 1e-12)
    edges = np.linspace(0, width, bins + 1).round().astype(int)
    before = 0
    for index in range(bins):
        left, right = edges[index], edges[index + 1]
        bar, level = round(real[index] * scale), round(generated[index] * scale)
        plot[height - bar :, left:right] = BAR
        low, high = sorted((before, level))
        plot[height - 1 - high : height - low, left : left + 2] = FAKE
        plot[height - 1 - level : height - level + 1, left:right] = FAKE
        before = level
    return plot


def _shares(axis: _Axis, values: DoubleArray, bins: int) -> DoubleArray:
    """Return the shares ``(bins,)`` of numbers along an axis; those beyond its ends are in none."""
    places = axis.share(values)
    counts = np.histogram(places[np.isfinite(places)], bins, (0.0, 1.0))[0]
    shares: DoubleArray = counts / max(len(values), 1)
    return shares


def _frame(sheet: ByteArray, plot: ByteArray, left: int, top: int) -> None:
    height, width = plot.shape
    sheet[top - 1 : top + height + 1, left - 1 : left + width + 1] = REAL
    sheet[top : top + height, left : left + width] = plot


def _write_axis(sheet: ByteArray, axis: _Axis, left: int, top: int, width: int) -> None:
    """Write ticks, numbers and the name of an axis below its plot; numbers that would overlap are left out."""
    free = 0
    for value in ticks(axis.low, axis.high, CELL_TICKS):
        x = left + round(float(axis.share(np.array(value))) * (width - 1))
        sheet[top : top + TICK, x] = REAL
        text = f"{value:g}"
        start = min(x - text_pixels(text).shape[1] // 2, sheet.shape[1] - text_pixels(text).shape[1])
        if start >= free:
            ink(sheet, text, start, top + TICK - 1)
            free = start + text_pixels(text).shape[1] + 3
    name = cut_to_width(axis.name, width)
    ink(sheet, name, left + (width - text_pixels(name).shape[1]) // 2, top + LINE)


def _write_axis_upwards(sheet: ByteArray, axis: _Axis, left: int, top: int, height: int) -> None:
    """Write ticks, numbers and the name of an axis to the left of its plots."""
    for value in ticks(axis.low, axis.high, CELL_TICKS):
        y = top + round((1 - float(axis.share(np.array(value)))) * (height - 1))
        sheet[y, left - TICK : left] = REAL
        text = f"{value:g}"
        ink(sheet, text, left - TICK - 2 - text_pixels(text).shape[1], y - text_pixels(text).shape[0] // 2)
    name = cut_to_width(axis.name, height)
    ink_upwards(sheet, name, 2, top + (height + text_pixels(name).shape[1]) // 2)
