"""Pixels of more than 8 bits in picture files: 16-bit greys and colors, and floats, with all their digits.

Pillow reads colors of 16 bits as their higher bytes. Both halves are there all the same: its unpackers of either byte
order each take one of them. Imports no torch.
"""

from __future__ import annotations

import sys
from enum import Enum
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from gan_cli.protocols.arrays import FloatArray

# What a white pixel of 16 bits is, and of 8 bits among them.
WHITE, BYTE_STEP = 65535, 257
OTHER_ORDER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


class Depth(Enum):
    """Type of the numbers of a picture; ``auto`` is that of most of them."""

    auto = "auto"
    uint8 = "uint8"
    uint16 = "uint16"
    float32 = "float32"


def depth_of(image: Image.Image) -> Depth:
    """Return the type of the numbers of a picture that was opened; reads nothing more of it."""
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        return Depth.float32
    return Depth.uint16 if image.mode.startswith("I") or _is_deep_color(image) else Depth.uint8


def _is_deep_color(image: Image.Image) -> bool:
    return image.mode in ("RGB", "RGBA") and bool(_raw_modes(image))


def _raw_modes(image: Image.Image) -> set[str]:
    """Return how the pixels of an image that is not decoded are packed, where that is in 16 bits."""
    modes = {_raw_mode(tile) for tile in getattr(image, "tile", ())}
    return (
        modes
        if modes and all(mode[:-1] in ("RGB;16", "RGBA;16") and mode[-1] in OTHER_ORDER for mode in modes)
        else set()
    )


def _raw_mode(tile: Any) -> str:
    arguments = tile[3]
    found = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return found if isinstance(found, str) else ""


def read_numbers(image: Image.Image, depth: Depth) -> FloatArray:
    """Decode a picture that was opened, and may be of fewer bits.

    Returns:
        ``(H, W, C)``, grey, RGB or RGBA: from 0 to 65535 for a depth of 16 bits, else as they are in the file.

    Raises:
        ValueError: a value is not finite.
        Exception: of nearly any kind, if it is damaged.
    """
    found = depth_of(image)
    if found is Depth.float32:
        numbers = np.asarray(image).astype(np.float32)
        numbers = numbers.clip(0, WHITE) if depth is Depth.uint16 else numbers
    elif _is_deep_color(image):
        numbers = _deep_color(image)
    elif found is Depth.uint16:
        numbers = np.asarray(image).astype(np.int32).clip(0, WHITE).astype(np.float32)
    else:
        plain = "RGBA" if image.has_transparency_data else "L" if image.mode in ("1", "L") else "RGB"
        step = BYTE_STEP if depth is Depth.uint16 else 1
        numbers = np.asarray(image.convert(plain)).astype(np.float32) * np.float32(step)
    if not np.isfinite(numbers).all():
        raise ValueError("values that are not finite")
    return numbers if numbers.ndim == 3 else numbers[..., None]


def _deep_color(image: Image.Image) -> FloatArray:
    """Decode both bytes of colors of 16 bits, one after the other."""
    lower = _opened_again(image)
    lower.tile = [_with_other_order(tile) for tile in lower.tile]
    return np.asarray(image).astype(np.float32) * 256 + np.asarray(lower).astype(np.float32)


def _opened_again(image: Image.Image) -> Any:
    """Open the file of a picture that is not decoded yet once more."""
    opened: Any = image
    file, form = opened.fp, image.format
    position = file.tell()
    file.seek(0)
    content = BytesIO(file.read())
    file.seek(position)
    return Image.open(content, formats=() if form is None else (form,))


def _with_other_order(tile: Any) -> Any:
    arguments = tile[3]
    mode = _raw_mode(tile)
    other = mode[:-1] + OTHER_ORDER[mode[-1]]
    changed = (other, *arguments[1:]) if isinstance(arguments, tuple) else other
    return tile._replace(args=changed) if hasattr(tile, "_replace") else (*tile[:3], changed)
