"""Pictures of any shape fitted into a height and width: cropped, padded or stretched."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from PIL import Image

# Red, green and blue, 0 to 255.
Colour: TypeAlias = tuple[int, int, int]


class Fit(Enum):
    """Ways to give a picture another shape."""

    crop = "crop"
    pad = "pad"
    stretch = "stretch"


def fit_picture(image: Image.Image, size: tuple[int, int], fit: Fit, background: Colour | float) -> Image.Image:
    """Resize a picture with Lanczos' filter.

    Args:
        image: in a mode of 8 bits, or of floats.
        size: height and width of the result.
        fit: ``crop`` cuts off what is beyond the largest centred box of that shape, ``pad`` shows all of the picture on
            the background (transparent where there is an alpha channel), ``stretch`` changes its shape.
        background: color of the padding; of floats a number.
    """
    height, width = size
    if fit is Fit.pad:
        inner = _shrunk((image.height, image.width), size)
        resized = image.resize(inner[::-1], Image.Resampling.LANCZOS)
        sheet = _blank(image.mode, (width, height), background)
        if image.mode == "RGBA":
            sheet.putalpha(0)
        sheet.paste(resized, ((width - inner[1]) // 2, (height - inner[0]) // 2))
        return sheet
    if fit is Fit.crop:
        image = _central_box(image, *_shrunk(size, (image.height, image.width)))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _blank(mode: str, extent: tuple[int, int], background: Colour | float) -> Image.Image:
    if isinstance(background, tuple):
        return Image.new("RGB", extent, background).convert(mode)
    return Image.new(mode, extent, background)


def reduction(extent: tuple[int, int], size: tuple[int, int], fit: Fit) -> float:
    """Return the factor by which a picture of height and width ``extent`` is scaled; the larger of the two axes'."""
    ratios = [wanted / there for wanted, there in zip(size, extent, strict=True)]
    return min(ratios) if fit is Fit.pad else max(ratios)


def _shrunk(shape: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """Return the largest height and width of this shape that fit into some room, at least one pixel each."""
    (height, width), (rows, columns) = shape, room
    if height * columns >= width * rows:  # the height fills the room
        return rows, max(1, round(rows * width / height))
    return max(1, round(columns * height / width)), columns


def _central_box(image: Image.Image, height: int, width: int) -> Image.Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
