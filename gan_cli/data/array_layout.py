"""Meaning of the axes of an array of images, by its shape."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy.typing as npt

from gan_cli.errors import DataError

# Channels that an axis may be taken for without being asked; dataset.layout allows more of them.
MAX_FOUND_CHANNELS, MAX_CHANNELS = 16, 64
MIN_SIDE, MAX_SIDE = 4, 1024


class ArrayLayout(Enum):
    """Order of the axes of images: their number, channels, height and width."""

    auto = "auto"
    nhw = "nhw"
    nhwc = "nhwc"
    nchw = "nchw"


def find_layout(shape: tuple[int, ...], wanted: ArrayLayout = ArrayLayout.auto) -> ArrayLayout:
    """Return the layout of an array of this shape; without one that is wanted, channels are fewer than either side.

    Raises:
        DataError: it is of another rank, its layout is ambiguous, or it has fewer than two images, or sides or channels
            that no image has; the message begins with the shape.
    """
    if len(shape) == 2:
        raise DataError(f"its shape {shape} is that of a table: dataset=table learns rows of numbers")
    layout = _by_rank(shape) if wanted is ArrayLayout.auto else wanted
    if len(shape) != len(layout.name):
        raise DataError(f"its shape {shape} has {len(shape)} axes; dataset.layout={layout.name} has {len(layout.name)}")
    channels, height, width = image_shape(shape, layout)
    if shape[0] < 2:
        raise DataError(f"its shape {shape} is that of {shape[0]} image{'s' * (shape[0] != 1)}; expected two or more")
    if not (min(height, width) >= MIN_SIDE and max(height, width) <= MAX_SIDE):
        raise DataError(
            f"its shape {shape} is that of images of {height}x{width} pixels, in the layout {layout.name}; expected"
            f" sides of {MIN_SIDE} to {MAX_SIDE}"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise DataError(
            f"its shape {shape} is that of images of {channels} channels, in the layout {layout.name}; expected 1 to"
            f" {MAX_CHANNELS}"
        )
    return layout


def _by_rank(shape: tuple[int, ...]) -> ArrayLayout:
    if len(shape) == 3:
        return ArrayLayout.nhw
    if len(shape) != 4:
        raise DataError(f"its shape {shape} has {len(shape)} axes; expected (N, H, W), (N, H, W, C) or (N, C, H, W)")
    _, first, middle, last = shape
    if last < min(first, middle) and last <= MAX_FOUND_CHANNELS:
        return ArrayLayout.nhwc
    if first < min(middle, last) and first <= MAX_FOUND_CHANNELS:
        return ArrayLayout.nchw
    raise DataError(
        f"its shape {shape} does not tell which axis is that of the channels: dataset.layout=nhwc or nchw does"
    )


def image_shape(shape: tuple[int, ...], layout: ArrayLayout) -> tuple[int, int, int]:
    """Return channels, height and width of the images of an array."""
    if layout is ArrayLayout.nhw:
        return 1, shape[1], shape[2]
    return (shape[3], shape[1], shape[2]) if layout is ArrayLayout.nhwc else (shape[1], shape[2], shape[3])


def channels_first(array: npt.NDArray[Any], layout: ArrayLayout) -> npt.NDArray[Any]:
    """Return a view ``(N, C, H, W)`` of an array of a layout."""
    if layout is ArrayLayout.nhw:
        return array[:, None]
    return array.transpose(0, 3, 1, 2) if layout is ArrayLayout.nhwc else array
