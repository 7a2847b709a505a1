"""Sheets of pixels with words on them: the parts that pictures of runs are put together from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_cli.protocols.arrays import ByteArray
from gan_cli.telemetry import images
from gan_cli.telemetry.images import EMPTY, GREYS, REAL
from gan_cli.telemetry.lettering import cut_to_width, text_pixels

# All in pixels. Height of a line of text with its margins, the margin beside it, and the length of a tick.
LINE, MARGIN, TICK = 20, 6, 4
TICKS = 6
# By how much ink there is in a pixel: its grey, and its index in the palette.
GREY_OF_INK = np.linspace(255, images.REAL_COLOUR[0], 256).round().astype(np.uint8)
DEEP_GREY_OF_INK = GREY_OF_INK.astype(np.uint16) * 257
INDEX_OF_INK = np.array([EMPTY, *GREYS, REAL], np.uint8)[np.linspace(0, len(GREYS) + 1, 256).round().astype(int)]


def legend_entry(sheet: ByteArray, text: str, colour: int, right: int) -> int:
    """Write a disc of a colour and a text that ends at ``right``; return where the next entry may end."""
    left = ink_ending_at(sheet, text, right) - 10
    images.draw_points(sheet[4:15, left - 2 : left + 9], np.zeros((1, 2), np.float32), 1.0, colour, radius=4)
    return left - 2 * MARGIN


def ink_ending_at(sheet: ByteArray, text: str, right: int) -> int:
    """Write a text in the first line that ends at a column; return the column where it begins."""
    left = right - int(text_pixels(text).shape[1])
    ink(sheet, text, left, 2)
    return left


def ink(sheet: ByteArray, text: str, left: int, top: int) -> None:
    """Write a text in greys of the palette on a sheet of palette indices; what is beyond its edges is cut."""
    write(sheet, text, left, top, INDEX_OF_INK)


def ticks(low: float, high: float, count: int = TICKS) -> list[float]:
    """Return about ``count`` round numbers, evenly spaced by 1, 2 or 5 times a power of ten, between two numbers."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return []
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= count)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def write(sheet: npt.NDArray[Any], text: str, left: int, top: int, colours: npt.NDArray[Any] = GREY_OF_INK) -> None:
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


def with_axis_names(sheet: ByteArray, names: tuple[str, str]) -> ByteArray:
    """Put the name of the axis to the right below a sheet of palette indices, that of the axis upwards on its left."""
    height, width = sheet.shape
    wider = np.full((height + LINE, width + LINE), EMPTY, np.uint8)
    wider[:height, LINE:] = sheet
    right, up = cut_to_width(names[0], width), cut_to_width(names[1], height)
    ink(wider, right, LINE + (width - text_pixels(right).shape[1]) // 2, height)
    ink_upwards(wider, up, 2, (height + text_pixels(up).shape[1]) // 2)
    return wider


def ink_upwards(sheet: ByteArray, text: str, left: int, bottom: int) -> None:
    """Write a text from below upwards, its first letter above ``bottom``; what is beyond the edges is cut."""
    turned = np.rot90(sheet, -1)  # a view, whose columns are the sheet's rows from below
    ink(turned, text, len(sheet) - bottom, left)
