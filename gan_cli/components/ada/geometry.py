"""Images moved: by whole pixels, exactly, and by any affine map, with an antialiasing filter.

Beyond the border an image is its own mirror image. Pixels are gathered by index, which can be differentiated twice;
``grid_sample`` cannot.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from gan_cli.components.ada.wavelets import SYM6

# Rows of a filter beside its centre, and of a frame that it needs around an image of twice the resolution.
MARGIN = len(SYM6) // 2
FRAME = 6
# Place of an image's first pixel in the doubled image: the filter's mean row, less the rows that it reaches back.
DELAY = sum(row * tap for row, tap in enumerate(SYM6)) / sum(SYM6) - (MARGIN - 1)


def move_pixels(images: Tensor, flips: Tensor, turns: Tensor, shifts: Tensor) -> Tensor:
    """Flip images from left to right, turn them by quarters, then shift them by whole pixels.

    Args:
        images: ``(N, C, H, W)``.
        flips: ``(N,)`` bool.
        turns: ``(N,)`` int64, quarter turns counterclockwise; even ones of images that are no squares.
        shifts: ``(N, 2)`` int64, down and to the right.
    """
    height, width = images.shape[2:]
    device = images.device
    rows = torch.arange(height, device=device)[None, :, None] - shifts[:, :1, None]
    columns = torch.arange(width, device=device)[None, None, :] - shifts[:, 1:, None]
    shape = (len(images), height, width)
    rows, columns = _mirrored(rows, height).expand(shape), _mirrored(columns, width).expand(shape)
    # Each quarter turn of the result is one back of the place that a pixel comes from.
    turns = turns[:, None, None] % 4
    last_row, last_column = height - 1, width - 1
    half = turns >= 2
    rows, columns = torch.where(half, last_row - rows, rows), torch.where(half, last_column - columns, columns)
    quarter = turns % 2 == 1
    rows, columns = torch.where(quarter, columns, rows), torch.where(quarter, last_column - rows, columns)
    columns = torch.where(flips[:, None, None], last_column - columns, columns)
    return _gather(images, rows, columns)


def warp(images: Tensor, sources: Tensor, taps: Tensor) -> Tensor:
    """Warp images by affine maps, at twice the resolution between two low-pass filters.

    Args:
        images: ``(N, C, H, W)``.
        sources: ``(N, 2, 3)``, from a place in the result to the one in the image that it shows: row and column in
            pixels from the centre, and 1.
        taps: of the filter, :data:`SYM6` on the device of the images.
    """
    taps = (taps / taps.sum()).to(images.dtype)
    height, width = images.shape[2:]
    # Places of the result at twice the resolution, with the filter's support around it.
    axes = [
        (torch.arange(1 - MARGIN, 2 * side + MARGIN - 1, device=images.device) - DELAY) / 2 - (side - 1) / 2
        for side in (height, width)
    ]
    rows, columns = torch.meshgrid(*axes, indexing="ij")
    places = torch.stack([rows, columns, torch.ones_like(rows)]).to(sources.dtype)
    found = torch.einsum("nij,jhw->nihw", sources, places)
    rows, columns = (2 * found[:, axis] + side - 1 + DELAY for axis, side in enumerate((height, width)))
    return _halved(_interpolate(_doubled(images, taps), rows, columns), taps)


def _interpolate(fine: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return values of :func:`_doubled` at places ``(N, H', W')`` in the doubled image, bilinearly."""
    height, width = fine.shape[2:]
    rows, columns = _inside(rows, height) + FRAME, _inside(columns, width) + FRAME
    top, left = rows.floor(), columns.floor()
    down, right = (rows - top)[:, None].to(fine.dtype), (columns - left)[:, None].to(fine.dtype)
    top, left = top.long().clamp(max=height - 2), left.long().clamp(max=width - 2)
    corners = [_gather(fine, top + row, left + column) for row in (0, 1) for column in (0, 1)]
    upper, lower = torch.lerp(corners[0], corners[1], right), torch.lerp(corners[2], corners[3], right)
    return torch.lerp(upper, lower, down)


def _inside(places: Tensor, framed_side: int) -> Tensor:
    """Return places in the doubled image or its frame: others mirrored at the centre of the image's border pixels."""
    span = framed_side - 2 * FRAME - 2
    mirrored = DELAY + span - ((places - DELAY).remainder(2 * span) - span).abs()
    return torch.where((places >= -FRAME) & (places <= span + 1 + FRAME), places, mirrored)


def _gather(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the pixels ``(N, C, H', W')`` at integer places ``(N, H', W')``."""
    count, channels, _, width = images.shape
    indices = (rows * width + columns).flatten(1)[:, None].expand(count, channels, -1)
    return images.flatten(2).gather(2, indices).reshape(count, channels, *rows.shape[1:])


def mirror_pad(images: Tensor, margin: int) -> Tensor:
    """Pad all sides of images with their mirror image; ``pad`` has no deterministic gradient on GPUs."""
    rows, columns = (
        _mirrored(torch.arange(-margin, side + margin, device=images.device), side) for side in images.shape[2:]
    )
    return images[:, :, rows][:, :, :, columns]


def _mirrored(places: Tensor, side: int) -> Tensor:
    """Return integer places reflected into ``[0, side)``; the pixels at the border are not repeated."""
    period = max(1, 2 * (side - 1))
    places = places.remainder(period)
    return torch.minimum(places, period - places) if side > 1 else torch.zeros_like(places)


def _doubled(images: Tensor, taps: Tensor) -> Tensor:
    """Double height and width with the low-pass filter; around that, a frame in which the image is mirrored."""
    margin = (MARGIN + FRAME) // 2
    height, width = images.shape[2:]
    wide = mirror_pad(images, margin)
    spread = wide.new_zeros(*wide.shape[:2], 2 * wide.shape[2], 2 * wide.shape[3])
    spread[:, :, ::2, ::2] = 4 * wide
    return _filtered(spread, taps.flip(0))[:, :, : 2 * (height + FRAME), : 2 * (width + FRAME)]


def _halved(images: Tensor, taps: Tensor) -> Tensor:
    """Halve height and width of images with margins, with the low-pass filter."""
    return _filtered(images, taps)[:, :, ::2, ::2]


def _filtered(images: Tensor, taps: Tensor) -> Tensor:
    """Correlate with a filter along both axes, all of its support inside."""
    channels = images.shape[1]
    for shape in ((-1, 1), (1, -1)):
        kernel = taps.reshape(1, 1, *shape).expand(channels, -1, -1, -1)
        images = conv2d(images, kernel, groups=channels)
    return images
