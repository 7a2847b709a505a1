"""Pictures a person can read: grids enlarged to be seen, points over D's surface, progress as an animation.

numpy and Pillow only; arrays come in from the device elsewhere.
"""

from __future__ import annotations

import contextlib
import io
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from gan_cli.protocols.algorithm import Preview
from gan_cli.protocols.arrays import ByteArray, FloatArray
from gan_cli.storage.files import replacing

TILE = 56  # small images are enlarged by a whole factor until they are about this wide
GAP = 2
SCATTER = 640
MAX_ANIMATION_FRAMES = 120
FRAME_MS, LAST_FRAME_MS = 120, 2000

REAL_COLOUR = (30, 30, 30)
FAKE_COLOUR = (220, 50, 32)
EMPTY_COLOUR = (255, 255, 255)
LOW_COLOUR = np.array([49.0, 104.0, 173.0])
MIDDLE_COLOUR = np.array([247.0, 247.0, 247.0])
HIGH_COLOUR = np.array([240.0, 178.0, 61.0])
# Scatters are drawn in places of one palette: a third of the bytes to move about.
HIGHEST, REAL, FAKE, EMPTY = 252, 253, 254, 255


def _palette() -> ByteArray:
    """Colours ``(256, 3)`` of a scatter: D's from low to high, those of the points, that of an empty sheet."""
    level = np.linspace(0.0, 1.0, HIGHEST + 1)[:, None]
    below = LOW_COLOUR + (MIDDLE_COLOUR - LOW_COLOUR) * (2 * level)
    above = MIDDLE_COLOUR + (HIGH_COLOUR - MIDDLE_COLOUR) * (2 * level - 1)
    heat = np.where(level < 0.5, below, above)
    return np.concatenate([heat, [REAL_COLOUR, FAKE_COLOUR, EMPTY_COLOUR]]).astype(np.uint8)


PALETTE = _palette()


def to_bytes(samples: FloatArray) -> ByteArray:
    """Values in [-1, 1] to uint8, rounded; what lies outside is cut, and what is no number is 0. Any shape."""
    finite = np.nan_to_num(samples, nan=-1.0)
    pixels: ByteArray = np.clip(np.rint((finite + 1.0) * 127.5), 0, 255).astype(np.uint8)
    return pixels


def to_image(sample: FloatArray) -> Image.Image:
    """One sample ``(C, H, W)`` in [-1, 1] as a picture of its own size; 1 channel is grey, 3 are colours."""
    pixels = to_bytes(sample)
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))


def picture(preview: Preview) -> Image.Image:
    """The preview of a run: a grid of images, or a scatter over D's surface for points."""
    return scatter(preview) if preview.samples.ndim == 2 else grid(preview.samples, preview.columns)


def grid(samples: FloatArray, columns: int | None = None) -> Image.Image:
    """Samples ``(N, C, H, W)`` in [-1, 1] side by side, as near to a square as they go."""
    count, channels, height, width = samples.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    scale = max(1, round(TILE / max(height, width)))
    tile_height, tile_width = height * scale + GAP, width * scale + GAP
    sheet = np.full((rows * tile_height + GAP, columns * tile_width + GAP, channels), 255, np.uint8)
    # Nearest neighbour: a person sees the pixels that are there, not an interpolation of them.
    enlarged = to_bytes(samples).repeat(scale, axis=2).repeat(scale, axis=3)
    for index, tile in enumerate(np.moveaxis(enlarged, 1, -1)):
        top, left = GAP + index // columns * tile_height, GAP + index % columns * tile_width
        sheet[top : top + height * scale, left : left + width * scale] = tile
    return Image.fromarray(sheet[..., 0] if channels == 1 else sheet)


def scatter(preview: Preview) -> Image.Image:
    """Generated points (red) and real ones (black), over D's surface: blue where D says fake, yellow where real."""
    surface = preview.surface
    if surface is None:
        extent = 1.15 * float(np.nan_to_num(np.abs(preview.samples)).max()) or 1.0
        sheet = np.full((SCATTER, SCATTER), EMPTY, np.uint8)
    else:
        extent = surface.extent
        sheet = _surface_sheet(surface.scores)
        _draw_points(sheet, surface.real, extent, REAL, radius=1)
    _draw_points(sheet, preview.samples, extent, FAKE, radius=2)
    return Image.fromarray(PALETTE.take(sheet, axis=0))


def _surface_sheet(scores: FloatArray) -> ByteArray:
    """Scores ``(R, R)``, from the lowest to the highest that occur, as a sheet of the palette's places."""
    finite = np.nan_to_num(scores).astype(np.float64)  # in which the largest float32 are no trouble
    low, high = finite.min(), finite.max()
    places = np.rint((finite - low) * (HIGHEST / max(high - low, 1e-12))).astype(np.uint8)
    return np.array(Image.fromarray(places).resize((SCATTER, SCATTER), Image.Resampling.BILINEAR))


def _draw_points(sheet: ByteArray, points: FloatArray, extent: float, colour: int, radius: int) -> None:
    """Points ``(N, 2)`` in [-extent, extent]^2 as discs of a colour of the palette; y points up."""
    finite = points[np.isfinite(points).all(axis=1)]
    places = (finite * [1, -1] / extent + 1) * (SCATTER / 2)
    near = places[(places > -radius).all(axis=1) & (places < SCATTER + radius).all(axis=1)].round().astype(int)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = np.stack([x, y], axis=-1)[np.hypot(x, y) < radius + 0.25]
    columns, rows = np.moveaxis(near[:, None] + disc, -1, 0).reshape(2, -1)
    inside = (columns >= 0) & (columns < SCATTER) & (rows >= 0) & (rows < SCATTER)
    sheet[rows[inside], columns[inside]] = colour


def png(image: Image.Image) -> bytes:
    """A picture as a PNG file.

    Runs of equal pixels are most of an enlarged picture; to look for more takes five times as long.
    """
    file = io.BytesIO()
    image.save(file, "PNG", compress_type=zlib.Z_RLE)
    return file.getvalue()


def animation(frames: Sequence[Image.Image], path: Path) -> None:
    """Write frames as an endless animated WebP that rests on its last one; the file is whole or not there."""
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
    first, *rest = [frame.convert("RGB") for frame in frames]
    # In a lossless file quality is effort: half of it takes half the time, for a few percent of the size.
    with replacing(path) as temporary:
        first.save(
            temporary, "WEBP", save_all=True, append_images=rest, duration=durations, loop=0, lossless=True, quality=50
        )


def progress(files: Sequence[Path], path: Path) -> None:
    """The animation of a run's sample pictures; of very many, an even choice that holds the first and last."""
    if len(files) > MAX_ANIMATION_FRAMES:
        chosen = np.linspace(0, len(files) - 1, MAX_ANIMATION_FRAMES).round().astype(int)
        files = [files[index] for index in chosen]
    frames = []
    for file in files:
        # A picture that a crash cut short is missing from the animation, no more.
        with contextlib.suppress(UnidentifiedImageError, SyntaxError), Image.open(file) as image:
            frames.append(image.convert("RGB"))
    if frames:
        animation(frames, path)
