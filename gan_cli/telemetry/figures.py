"""Pictures of a run with words: grids with a caption, scatter plots with axes, legend, colour bar and step.

The background is opaque and white, so that they can be read on a dark page too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gan_cli.protocols.algorithm import Panel, Plane, PlaneAxes, Preview, ShownTable
from gan_cli.protocols.arrays import ByteArray, FloatArray
from gan_cli.protocols.tables import Tabular
from gan_cli.storage.deep_png import DeepImage
from gan_cli.telemetry import images
from gan_cli.telemetry.images import BYTE, EMPTY, FAKE, GAP, HIGHEST, REAL
from gan_cli.telemetry.lettering import cut_to_width, is_drawable, text_pixels
from gan_cli.telemetry.sheets import (
    DEEP_GREY_OF_INK,
    GREY_OF_INK,
    LINE,
    MARGIN,
    TICK,
    ink,
    ink_ending_at,
    legend_entry,
    ticks,
    with_axis_names,
    write,
)
from gan_cli.telemetry.table_figures import table_figure

# All in pixels. Of scatter plots: side of the plane, margins for the numbers of the axes, and the bar of colours.
SIDE, LEFT, BOTTOM = 520, 54, 22
BAR, BAR_NUMBERS = 14, 50
# Names of rows are cut at this width.
NAME_WIDTH = 110


def preview_figure(preview: Preview, step: int, dtype: np.dtype[Any] = BYTE) -> Image.Image | DeepImage:
    """Draw the preview of a run: points as a scatter plot with axes, rows by column, images in a captioned grid."""
    if preview.table is not None:
        return table_figure(preview.samples, preview.table, f"step {step:,}")
    if preview.samples.ndim == 2:
        return scatter_figure(preview.samples, preview.plane, f"step {step:,}")
    shown = f"samples, a {preview.row_noun} in each row" if preview.row_names else "samples"
    sheet = grid_sheet(preview.samples, preview.columns, [f"step {step:,}: {shown}"], preview.row_names, dtype=dtype)
    return images.drawn(sheet)


def sample_figure(
    samples: FloatArray, columns: int | None, dataset: object, dtype: np.dtype[Any] = BYTE
) -> Image.Image | DeepImage:
    """Draw samples alone: rows of a table with the names and units of its columns, others without any words."""
    if not isinstance(dataset, Tabular):
        return images.preview_image(Preview(samples, columns=columns), dtype)
    table, title = dataset.table_columns(), f"{len(samples):,} rows"
    if len(table.names) != 2:
        return table_figure(samples, ShownTable(table), title)
    (right, up), (x, y), (name_x, name_y) = table.scales, table.centers, table.names
    extent = 1.15 * float(np.nan_to_num(np.abs(samples)).max()) or 1.0
    axes = PlaneAxes((right, up), (x, y), (name_x, name_y))
    return scatter_figure(samples, Plane(np.empty((0, 2), np.float32), extent, axes=axes), title)


def panel_figure(panel: Panel, name: str, step: int, dtype: np.dtype[Any] = BYTE) -> Image.Image | DeepImage:
    """Draw a panel of a preview with its caption; without one, with its name."""
    caption = f"step {step:,}: {panel.caption or name}"
    if panel.samples.ndim == 2:
        plot = images.scatter(panel.samples, None, images.SCATTER)
        return Image.fromarray(_captioned(np.asarray(images.palette_image(plot).convert("RGB")), [caption]))
    return images.drawn(grid_sheet(panel.samples, panel.columns, [caption], panel.row_names, dtype=dtype))


def grid_figure(
    samples: FloatArray,
    columns: int | None,
    caption: Sequence[str],
    row_names: Sequence[str] = (),
    column_names: Mapping[int, str] | None = None,
) -> Image.Image:
    """Draw a grid with words around it, of 8 bits; see :func:`grid_sheet`."""
    sheet: ByteArray = grid_sheet(samples, columns, caption, row_names, column_names)
    return Image.fromarray(sheet[..., 0] if sheet.shape[-1] == images.GREY else sheet)


def grid_sheet(
    samples: FloatArray,
    columns: int | None,
    caption: Sequence[str],
    row_names: Sequence[str] = (),
    column_names: Mapping[int, str] | None = None,
    dtype: np.dtype[Any] = BYTE,
) -> npt.NDArray[Any]:
    """Arrange samples in a grid, with words around it.

    Args:
        samples: ``(N, C, H, W)`` in [-1, 1].
        columns: of the grid; None: about as many as there are rows.
        caption: its lines.
        row_names: what the rows show, on the left.
        column_names: what columns show, above them: index of the first column -> text.
        dtype: type of the pixels.

    Returns:
        ``(H, W, 1 or 3)``.
    """
    grid = images.grid_pixels(samples, columns, dtype)
    tile = images.enlargement(*samples.shape[2:]) * np.array(samples.shape[2:]) + GAP
    names = [cut_to_width(_name(text, row), NAME_WIDTH) for row, text in enumerate(row_names)]
    left = max((text_pixels(name).shape[1] + MARGIN for name in names), default=0)
    sheet = _captioned(grid, [*caption, *([""] if column_names else [])], left)
    top = sheet.shape[0] - grid.shape[0]
    colours = GREY_OF_INK if dtype == np.uint8 else DEEP_GREY_OF_INK
    for row, name in enumerate(names):
        height = text_pixels(name).shape[0]
        middle = top + GAP + row * int(tile[0]) + (int(tile[0]) - height) // 2
        write(sheet, name, left=MARGIN // 2, top=middle, colours=colours)
    for column, name in (column_names or {}).items():
        write(sheet, name, left=left + GAP + column * int(tile[1]), top=top - LINE + 2, colours=colours)
    return sheet


def scatter_figure(samples: FloatArray, plane: Plane | None, title: str) -> Image.Image:
    """Plot points ``(N, 2)`` with axes in the data's own coordinates, a legend and a bar of the colours of scores."""
    plot = images.scatter(samples, plane, SIDE)
    surface = None if plane is None else plane.surface
    width = LEFT + SIDE + (MARGIN if surface is None else 2 * MARGIN + BAR + BAR_NUMBERS)
    sheet = np.full((LINE + SIDE + BOTTOM, width), EMPTY, np.uint8)
    sheet[LINE - 1 : LINE + SIDE + 1, LEFT - 1 : LEFT + SIDE + 1] = REAL  # the frame
    sheet[LINE : LINE + SIDE, LEFT : LEFT + SIDE] = plot
    ink(sheet, title, LEFT, 2)
    right = width - MARGIN
    if surface is not None:
        _draw_bar(sheet, *images.score_limits(surface))
        right = ink_ending_at(sheet, cut_to_width(f"D(x): {surface.name}", SIDE // 3), right) - 2 * MARGIN
    if plane is not None:
        _draw_axes(sheet, plane)
        right = legend_entry(sheet, "generated", FAKE, right)
        if len(plane.real):
            legend_entry(sheet, "real", REAL, right)
        sheet = with_axis_names(sheet, plane.axes.names) if any(plane.axes.names) else sheet
    return images.palette_image(sheet)


def _draw_axes(sheet: ByteArray, plane: Plane) -> None:
    """Draw ticks with numbers below the plane and to its left."""
    axes, extent = plane.axes, plane.extent
    for value in ticks(axes.origin[0] - axes.units[0] * extent, axes.origin[0] + axes.units[0] * extent):
        x = LEFT + round(((value - axes.origin[0]) / axes.units[0] / extent + 1) * (SIDE - 1) / 2)
        sheet[LINE + SIDE : LINE + SIDE + TICK, x] = REAL
        text = f"{value:g}"
        ink(sheet, text, x - text_pixels(text).shape[1] // 2, LINE + SIDE + TICK)
    for value in ticks(axes.origin[1] - axes.units[1] * extent, axes.origin[1] + axes.units[1] * extent):
        y = LINE + round((1 - (value - axes.origin[1]) / axes.units[1] / extent) * (SIDE - 1) / 2)
        sheet[y, LEFT - TICK : LEFT] = REAL
        text = f"{value:g}"
        height, width = text_pixels(text).shape
        ink(sheet, text, LEFT - TICK - 2 - width, y - height // 2)


def _draw_bar(sheet: ByteArray, low: float, high: float) -> None:
    """Draw the colours of D's scores beside the plane, with the numbers of the lowest, the middle and the highest."""
    left = LEFT + SIDE + MARGIN
    sheet[LINE - 1 : LINE + SIDE + 1, left - 1 : left + BAR + 1] = REAL
    sheet[LINE : LINE + SIDE, left : left + BAR] = np.linspace(HIGHEST, 0, SIDE).round().astype(np.uint8)[:, None]
    height = text_pixels("0").shape[0]
    for share, value in ((0.0, high), (0.5, (low + high) / 2), (1.0, low)):
        ink(sheet, f"{value:.3g}", left + BAR + 4, LINE + round(share * (SIDE - height)))


def _captioned(pixels: npt.NDArray[Any], caption: Sequence[str], left: int = 0) -> npt.NDArray[Any]:
    """Put lines of text above pixels ``(H, W, C)``, and a margin to their left; wide enough for the longest line.

    Returns:
        ``(H, W, C)``, of the same type. The width does not depend on the step: the pictures of a run have one size.
    """
    longest = max(_widest(line) for line in caption)
    height, width, channels = pixels.shape
    is_deep, top = pixels.dtype != np.uint8, LINE * len(caption)
    sheet = np.full(
        (top + height, max(left + width, longest + 2 * MARGIN), channels), np.iinfo(pixels.dtype).max, pixels.dtype
    )
    sheet[top:, left : left + width] = pixels
    for index, line in enumerate(caption):
        write(sheet, line, MARGIN // 2, index * LINE + 2, DEEP_GREY_OF_INK if is_deep else GREY_OF_INK)
    return sheet


def _widest(line: str) -> int:
    """Return the width of a line; of one that begins with a step, the width with a step of seven wide digits."""
    head, separator, rest = line.partition(": ")
    return int(text_pixels("step 0,000,000" + separator + rest if head.startswith("step ") else line).shape[1])


def _name(text: str, row: int) -> str:
    return text if is_drawable(text) else f"class {row}"
