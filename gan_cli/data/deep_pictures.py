"""Pictures of more than 8 bits, brought into one shape: their planes are resized as numbers with a fraction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from gan_cli.data.image_fit import Colour, Fit, fit_picture
from gan_cli.protocols.arrays import FloatArray, StoredArray
from gan_cli.storage.deep_pixels import WHITE, Depth

# Of red, green and blue, as Pillow weighs them.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Placement:
    """Shape that a deep picture is brought into.

    Attributes:
        size: height and width in pixels.
        channels: 1, 3 or 4.
        fit: way in which a picture of another shape is fitted in.
        background: color of the padding, and below what is transparent.
        turn: transposition that turns it upright; None: it is.
    """

    size: tuple[int, int]
    channels: int
    fit: Fit
    background: Colour
    turn: Image.Transpose | None


def place_numbers(numbers: FloatArray, placement: Placement, depth: Depth, levels: tuple[float, float]) -> StoredArray:
    """Bring a picture into its shape: turned upright, fitted in and resized with Lanczos' filter.

    Args:
        numbers: ``(H, W, C)`` of :func:`read_numbers`.
        placement: the shape.
        depth: type of the result.
        levels: black and white of the background.

    Returns:
        ``(C, H, W)``, uint16 or float32; alpha is on the scale of the levels.
    """
    low, high = levels
    opaque = WHITE if depth is Depth.uint16 else 255
    paper = [low + part / 255 * (high - low) for part in placement.background]
    colors, alpha = numbers[..., :3], numbers[..., 3:] / opaque
    if alpha.size and placement.channels != 4:
        colors = (colors * alpha + np.array(paper) * (1 - alpha)).astype(np.float32)
    planes = _in_channels(colors, 3 if placement.channels == 4 else placement.channels)
    if placement.channels == 4:
        shown = alpha if alpha.size else np.ones_like(planes[..., :1])
        planes, paper = np.concatenate([planes, low + shown * np.float32(high - low)], axis=-1), [*paper, low]
    elif placement.channels == 1:
        paper = [float(np.dot(LUMA, paper))]
    placed = np.stack([_placed(planes[..., index], placement, value) for index, value in enumerate(paper)])
    if depth is Depth.float32:
        return placed
    rounded: StoredArray = np.rint(placed).clip(0, WHITE).astype(np.uint16)
    return rounded


def _in_channels(colors: FloatArray, channels: int) -> FloatArray:
    if colors.shape[-1] == channels:
        return colors
    return colors.repeat(channels, axis=-1) if channels == 3 else (colors @ LUMA)[..., None]


def _placed(plane: FloatArray, placement: Placement, background: float) -> FloatArray:
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    upright = image if placement.turn is None else image.transpose(placement.turn)
    placed: FloatArray = np.asarray(fit_picture(upright, placement.size, placement.fit, background))
    return placed
