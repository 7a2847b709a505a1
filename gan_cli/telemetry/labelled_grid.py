"""Grids of samples with words: names of rows beside them, of columns above them, and of each sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gan_cli.inference.label_text import GridWords
from gan_cli.protocols.arrays import FloatArray
from gan_cli.storage.deep_png import DeepImage
from gan_cli.telemetry import images
from gan_cli.telemetry.images import BYTE, GAP
from gan_cli.telemetry.lettering import cut_to_width, is_drawable, text_pixels
from gan_cli.telemetry.sheets import DEEP_GREY_OF_INK, GREY_OF_INK, LINE, MARGIN, write

# Names of rows are cut at this width in pixels.
NAME_WIDTH = 200


def labelled_grid(
    samples: FloatArray, columns: int, words: GridWords, dtype: np.dtype[Any] = BYTE
) -> Image.Image | DeepImage:
    """Draw a grid of samples ``(N, C, H, W)`` in [-1, 1] with words; without any, the plain grid.

    Args:
        samples: row by row.
        columns: of the grid.
        words: what is written.
        dtype: type of the pixels, uint8 or uint16.
    """
    grid = images.grid_pixels(samples, columns, dtype)
    return images.drawn(grid if not words else _with_words(grid, samples, columns, words))


def words_size(words: GridWords, rows: int) -> tuple[int, int]:
    """Return the width and height in pixels that words add to a grid, at most."""
    lines = len(words.caption) + bool(words.columns) + (rows if words.tiles else 0)
    return (NAME_WIDTH + MARGIN if words.rows else 0), lines * LINE


def _with_words(grid: npt.NDArray[Any], samples: FloatArray, columns: int, words: GridWords) -> npt.NDArray[Any]:
    channels, height, width = samples.shape[1:]
    scale = images.enlargement(height, width)
    rows = -(-len(samples) // columns)
    tile_height = height * scale + GAP
    tile_width = (width * scale + GAP) * (1 if channels in (images.GREY, images.RGB, images.RGBA) else channels)
    names = [cut_to_width(drawable(name), NAME_WIDTH) for name in words.rows]
    left = max((text_pixels(name).shape[1] + MARGIN for name in names), default=0)
    above = LINE * (len(words.caption) + bool(words.columns))
    strip = LINE if words.tiles else 0
    widest = max((text_pixels(drawable(line)).shape[1] + 2 * MARGIN for line in words.caption), default=0)
    sheet = np.full(
        (above + grid.shape[0] + rows * strip, max(left + grid.shape[1], widest), grid.shape[2]),
        np.iinfo(grid.dtype).max,
        grid.dtype,
    )
    for row in range(rows):
        source = grid[row * tile_height : (row + 1) * tile_height + GAP]
        top = above + row * (tile_height + strip) + strip
        sheet[top : top + len(source), left : left + grid.shape[1]] = source
        _write_row(sheet, words.tiles[row * columns : (row + 1) * columns], left + GAP, top - LINE + 1, tile_width)
        if names:
            text_height = text_pixels(names[row]).shape[0]
            _write(sheet, names[row], MARGIN // 2, top + GAP + (tile_height - GAP - text_height) // 2)
    _write_row(sheet, words.columns, left + GAP, above - LINE + 1, tile_width)
    for index, line in enumerate(words.caption):
        _write(sheet, drawable(line), MARGIN // 2, index * LINE + 1)
    return sheet


def _write_row(sheet: npt.NDArray[Any], texts: Sequence[str], left: int, top: int, tile_width: int) -> None:
    """Write texts beside each other, each centred above a tile and cut to its width."""
    for index, text in enumerate(texts):
        shown = cut_to_width(drawable(text), tile_width - GAP)
        margin = (tile_width - GAP - text_pixels(shown).shape[1]) // 2
        _write(sheet, shown, left + index * tile_width + margin, top)


def _write(sheet: npt.NDArray[Any], text: str, left: int, top: int) -> None:
    write(sheet, text, left, top, GREY_OF_INK if sheet.dtype == np.uint8 else DEEP_GREY_OF_INK)


def drawable(text: str) -> str:
    """Return a text in the letters that the font has, with a question mark for each other one."""
    return "".join(letter if is_drawable(letter) else "?" for letter in text)
