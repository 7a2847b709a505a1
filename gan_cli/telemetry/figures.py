"""Pictures of a run with words: grids with a caption, scatter plots with axes, legend, colour bar and step.

The background is opaque and white, so that they can be read on a dark page too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gan_cli.data.deep_png import DeepImage
from gan_cli.protocols.algorithm import Panel, Plane, Preview
from gan_cli.protocols.arrays import ByteArray, FloatArray
from gan_cli.telemetry import images
from gan_cli.telemetry.images import BYTE, EMPTY, FAKE, GAP, GREYS, HIGHEST, REAL
from gan_cli.telemetry.lettering import cut_to_width, is_drawable, text_pixels

# All in pixels. Height of a line of text with its margins, and the margin beside it.
LINE, MARGIN = 20, 6
# Of scatter plots: side of the plane, margins for the numbers of the axes, and the bar of colours.
SIDE, LEFT, BOTTOM, TICK = 520, 54, 22, 4
BAR, BAR_NUMBERS = 14, 50
TICKS = 6
# Names of rows are cut at this width.
NAME_WIDTH = 110
# By how much ink there is in a pixel: its grey, and its index in the palette.
GREY_OF_INK = np.linspace(255, images.REAL_COLOUR[0], 256).round().astype(np.uint8)
DEEP_GREY_OF_INK = GREY_OF_INK.astype(np.uint16) * 257
INDEX_OF_INK = np.array([EMPTY, *GREYS, REAL], np.uint8)[np.linspace(0, len(GREYS) + 1, 256).round().astype(int)]


def preview_figure(preview: Preview, step: int, dtype: np.dtype[Any] = BYTE) -> Image.Image | DeepImage:
    """Draw the preview of a run: points as a scatter plot with axes, images as a grid with a caption."""
    if preview.samples.ndim == 2:
        return scatter_figure(preview.samples, preview.plane, f"step {step:,}")
    shown = f"samples, a {preview.row_noun} in each row" if preview.row_names else "samples"
    sheet = grid_sheet(preview.samples, preview.columns, [f"step {step:,}: {shown}"], preview.row_names, dtype=dtype)
    return images.drawn(sheet)


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
        _write(sheet, name, left=MARGIN // 2, top=middle, colours=colours)
    for column, name in (column_names or {}).items():
        _write(sheet, name, left=left + GAP + column * int(tile[1]), top=top - LINE + 2, colours=colours)
    return sheet


def scatter_figure(samples: FloatArray, plane: Plane | None, title: str) -> Image.Image:
    """Plot points ``(N, 2)`` with axes in the data's own coordinates, a legend and a bar of the colours of scores."""
    plot = images.scatter(samples, plane, SIDE)
    surface = None if plane is None else plane.surface
    width = LEFT + SIDE + (MARGIN if surface is None else 2 * MARGIN + BAR + BAR_NUMBERS)
    sheet = np.full((LINE + SIDE + BOTTOM, width), EMPTY, np.uint8)
    sheet[LINE - 1 : LINE + SIDE + 1, LEFT - 1 : LEFT + SIDE + 1] = REAL  # the frame
    sheet[LINE : LINE + SIDE, LEFT : LEFT + SIDE] = plot
    _ink(sheet, title, LEFT, 2)
    right = width - MARGIN
    if surface is not None:
        _draw_bar(sheet, *images.score_limits(surface))
        right = _ink_ending_at(sheet, cut_to_width(f"D(x): {surface.name}", SIDE // 3), right) - 2 * MARGIN
    if plane is not None:
        _draw_axes(sheet, plane)
        right = _legend_entry(sheet, "generated", FAKE, right)
        _legend_entry(sheet, "real", REAL, right)
    return images.palette_image(sheet)


def _draw_axes(sheet: ByteArray, plane: Plane) -> None:
    """Draw ticks with numbers below the plane and to its left."""
    axes, extent = plane.axes, plane.extent
    for value in ticks(axes.origin[0] - axes.unit * extent, axes.origin[0] + axes.unit * extent):
        x = LEFT + round(((value - axes.origin[0]) / axes.unit / extent + 1) * (SIDE - 1) / 2)
        sheet[LINE + SIDE : LINE + SIDE + TICK, x] = REAL
        text = f"{value:g}"
        _ink(sheet, text, x - text_pixels(text).shape[1] // 2, LINE + SIDE + TICK)
    for value in ticks(axes.origin[1] - axes.unit * extent, axes.origin[1] + axes.unit * extent):
        y = LINE + round((1 - (value - axes.origin[1]) / axes.unit / extent) * (SIDE - 1) / 2)
        sheet[y, LEFT - TICK : LEFT] = REAL
        text = f"{value:g}"
        height, width = text_pixels(text).shape
        _ink(sheet, text, LEFT - TICK - 2 - width, y - height // 2)


def _draw_bar(sheet: ByteArray, low: float, high: float) -> None:
    """Draw the colours of D's scores beside the plane, with the numbers of the lowest, the middle and the highest."""
    left = LEFT + SIDE + MARGIN
    sheet[LINE - 1 : LINE + SIDE + 1, left - 1 : left + BAR + 1] = REAL
    sheet[LINE : LINE + SIDE, left : left + BAR] = np.linspace(HIGHEST, 0, SIDE).round().astype(np.uint8)[:, None]
    height = text_pixels("0").shape[0]
    for share, value in ((0.0, high), (0.5, (low + high) / 2), (1.0, low)):
        _ink(sheet, f"{value:.3g}", left + BAR + 4, LINE + round(share * (SIDE - height)))


def _legend_entry(sheet: ByteArray, text: str, colour: int, right: int) -> int:
    """Write a disc of a colour and a text that ends at ``right``; return where the next entry may end."""
    left = _ink_ending_at(sheet, text, right) - 10
    images.draw_points(sheet[4:15, left - 2 : left + 9], np.zeros((1, 2), np.float32), 1.0, colour, radius=4)
    return left - 2 * MARGIN


def _ink_ending_at(sheet: ByteArray, text: str, right: int) -> int:
    """Write a text in the first line that ends at a column; return the column where it begins."""
    left = right - int(text_pixels(text).shape[1])
    _ink(sheet, text, left, 2)
    return left


def _ink(sheet: ByteArray, text: str, left: int, top: int) -> None:
    """Write a text in greys of the palette on a sheet of palette indices; what is beyond its edges is cut."""
    _write(sheet, text, left, top, INDEX_OF_INK)


def ticks(low: float, high: float) -> list[float]:
    """Return about ``TICKS`` round numbers, evenly spaced by 1, 2 or 5 times a power of ten, between two numbers."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return []
    power = 10.0 ** math.floor(math.log10(span / TICKS))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= TICKS)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


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
        _write(sheet, line, MARGIN // 2, index * LINE + 2, DEEP_GREY_OF_INK if is_deep else GREY_OF_INK)
    return sheet


def _widest(line: str) -> int:
    """Return the width of a line; of one that begins with a step, the width with a step of seven wide digits."""
    head, separator, rest = line.partition(": ")
    return int(text_pixels("step 0,000,000" + separator + rest if head.startswith("step ") else line).shape[1])


def _write(sheet: npt.NDArray[Any], text: str, left: int, top: int, colours: npt.NDArray[Any] = GREY_OF_INK) -> None:
    """Write a dark text on a sheet ``(H, W)`` or ``(H, W, C)``; what is beyond its edges is cut.

    Args:
        sheet: greys, RGB or palette indices.
        text: one line.
        left: column of its first pixel.
        top: row of its first pixel.
        colours: ``(256,)``, by how much ink there is in a pixel; the first is that of no ink.
    """
    ink = colours[text_pixels(text)]
    height, width = sheet.shape[0] - top, sheet.shape[1] - left
    cut = ink[max(0, -top) : max(0, height), max(0, -left) : max(0, width)]
    place = sheet[max(0, top) :, max(0, left) :][: cut.shape[0], : cut.shape[1]]
    cut = cut if sheet.ndim == 2 else cut[..., None]
    np.copyto(place, cut, where=cut != colours[0])


def _name(text: str, row: int) -> str:
    return text if is_drawable(text) else f"class {row}"
