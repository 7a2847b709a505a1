"""Text as arrays of pixels, in the font that Pillow brings along."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_cli.protocols.arrays import ByteArray

SIZE = 13  # pixels


@cache
def _font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(SIZE)
    assert isinstance(font, ImageFont.FreeTypeFont)  # with a size it is one
    return font


@lru_cache(maxsize=256)  # most texts of a run are in all of its pictures
def text_pixels(text: str) -> ByteArray:
    """Draw one line of text: ``(height, width)`` from 0, nothing, to 255, ink. Not to be changed: it is kept."""
    font = _font()
    ascent, descent = font.getmetrics()
    image = Image.new("L", (max(1, round(font.getlength(text))), ascent + descent))
    ImageDraw.Draw(image).text((0, 0), text, fill=255, font=font)
    pixels: ByteArray = np.asarray(image)
    return pixels


@lru_cache(maxsize=256)
def cut_to_width(text: str, width: int) -> str:
    """Return as much of a text as fits into a width in pixels, with an ellipsis if it is not all."""
    if _font().getlength(text) <= width:
        return text
    kept = next((text[:end] for end in range(len(text), 0, -1) if _font().getlength(text[:end] + "…") <= width), "")
    return kept + "…"


def is_drawable(text: str) -> bool:
    """Return whether the font has all characters of a text: those of ASCII."""
    return text.isascii() and text.isprintable()
