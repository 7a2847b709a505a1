"""Plain pictures of samples: enlarged grids, scatter plots over the surface of D, and animations of the progress.

numpy and Pillow only: callers copy tensors to the host. With words beside them: ``figures.py``.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gan_cli.protocols.algorithm import Plane, Preview, Surface
from gan_cli.protocols.arrays import ByteArray, FloatArray
from gan_cli.storage.files import replacing
from gan_cli.storage.sample_pictures import read_sample_picture

TILE = 56  # small images are enlarged by a whole factor until they are about this wide
GAP = 2
SCATTER = 640
MAX_ANIMATION_FRAMES = 120
MAX_ANIMATION_PIXELS = 2**27  # of all frames: 400 MB
MAX_WEBP_SIDE = 16_383
FRAME_MS, LAST_FRAME_MS = 120, 2000

REAL_COLOUR = (30, 30, 30)
FAKE_COLOUR = (220, 50, 32)
EMPTY_COLOUR = (255, 255, 255)
LOW_COLOUR = np.array([49.0, 104.0, 173.0])
MIDDLE_COLOUR = np.array([247.0, 247.0, 247.0])
HIGH_COLOUR = np.array([240.0, 178.0, 61.0])
# Scatter plots are drawn as indices of one palette, a third of the bytes of RGB: D's scores from low to high, greys for
# text from the background to the colour of real points, both kinds of points, and the background.
HIGHEST, GREYS, REAL, FAKE, EMPTY = 238, range(239, 253), 253, 254, 255


def _palette() -> ByteArray:
    """Return the colours ``(256, 3)`` of a scatter plot."""
    level = np.linspace(0.0, 1.0, HIGHEST + 1)[:, None]
    below = LOW_COLOUR + (MIDDLE_COLOUR - LOW_COLOUR) * (2 * level)
    above = MIDDLE_COLOUR + (HIGH_COLOUR - MIDDLE_COLOUR) * (2 * level - 1)
    heat = np.where(level < 0.5, below, above)
    greys = np.linspace(EMPTY_COLOUR, REAL_COLOUR, len(GREYS) + 2)[1:-1]
    return np.concatenate([heat, greys, [REAL_COLOUR, FAKE_COLOUR, EMPTY_COLOUR]]).astype(np.uint8)


PALETTE = _palette()


def to_bytes(samples: FloatArray) -> ByteArray:
    """Convert values in [-1, 1], of any shape, to uint8: rounded and clipped; NaN becomes 0."""
    finite = np.nan_to_num(samples, nan=-1.0)
    pixels: ByteArray = np.clip(np.rint((finite + 1.0) * 127.5), 0, 255).astype(np.uint8)
    return pixels


def to_image(sample: FloatArray) -> Image.Image:
    """Convert one sample ``(C, H, W)`` in [-1, 1] to an image of its own size; 1 channel is grey, 3 are RGB."""
    pixels = to_bytes(sample)
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))


def preview_image(preview: Preview) -> Image.Image:
    """Draw samples without any words: a grid of images, or for points a scatter plot over the surface of D."""
    if preview.samples.ndim == 2:
        return palette_image(scatter(preview.samples, preview.plane, SCATTER))
    return grid(preview.samples, preview.columns)


def grid(samples: FloatArray, columns: int | None = None) -> Image.Image:
    """Arrange samples ``(N, C, H, W)`` in [-1, 1] in a grid, nearly square unless ``columns`` says otherwise."""
    count, channels, height, width = samples.shape
    columns = columns or math.ceil(math.sqrt(count))
    scale = enlargement(height, width)
    tile_height, tile_width = height * scale + GAP, width * scale + GAP
    sheet_width, sheet_height = grid_size(samples.shape[1:], count, columns)
    sheet = np.full((sheet_height, sheet_width, channels), 255, np.uint8)
    # Nearest neighbour shows the actual pixels, not an interpolation of them.
    enlarged = to_bytes(samples).repeat(scale, axis=2).repeat(scale, axis=3)
    for index, tile in enumerate(np.moveaxis(enlarged, 1, -1)):
        top, left = GAP + index // columns * tile_height, GAP + index % columns * tile_width
        sheet[top : top + height * scale, left : left + width * scale] = tile
    return Image.fromarray(sheet[..., 0] if channels == 1 else sheet)


def grid_size(shape: tuple[int, ...], count: int, columns: int | None = None) -> tuple[int, int]:
    """Return width and height in pixels of the :func:`grid` of so many samples ``(C, H, W)``."""
    _, height, width = shape
    columns = columns or math.ceil(math.sqrt(count))
    scale = enlargement(height, width)
    rows = math.ceil(count / columns)
    return columns * (width * scale + GAP) + GAP, rows * (height * scale + GAP) + GAP


def enlargement(height: int, width: int) -> int:
    """Return the whole factor by which small images are enlarged."""
    return max(1, round(TILE / max(height, width)))


def scatter(samples: FloatArray, plane: Plane | None, side: int) -> ByteArray:
    """Plot generated points (red) and real ones (black) over the surface of D: blue is fake to D, yellow is real.

    Returns:
        ``(side, side)``, indices of the palette, for :func:`palette_image`.
    """
    if plane is None:
        extent = 1.15 * float(np.nan_to_num(np.abs(samples)).max()) or 1.0
        sheet = np.full((side, side), EMPTY, np.uint8)
    else:
        extent = plane.extent
        sheet = np.full((side, side), EMPTY, np.uint8) if plane.surface is None else _surface_sheet(plane.surface, side)
        draw_points(sheet, plane.real, extent, REAL, radius=1)
    draw_points(sheet, samples, extent, FAKE, radius=2)
    return sheet


def palette_image(sheet: ByteArray) -> Image.Image:
    """Make an image of palette indices ``(H, W)``."""
    image = Image.fromarray(sheet)
    image.putpalette(PALETTE.tobytes())
    return image


def score_limits(surface: Surface) -> tuple[float, float]:
    """Return the scores of the lowest and of the highest colour: their limits, or the range of those in the picture."""
    if surface.limits is not None:
        return surface.limits
    finite = np.nan_to_num(surface.scores).astype(np.float64)  # the difference of the largest float32 would overflow
    return float(finite.min()), float(finite.max())


def _surface_sheet(surface: Surface, side: int) -> ByteArray:
    """Convert scores ``(R, R)``, scaled to their limits, to palette indices ``(side, side)``."""
    low, high = score_limits(surface)
    shares = (np.nan_to_num(surface.scores).astype(np.float64) - low) / max(high - low, 1e-12)
    indices = np.rint(shares.clip(0.0, 1.0) * HIGHEST).astype(np.uint8)
    return np.array(Image.fromarray(indices).resize((side, side), Image.Resampling.BILINEAR))


def draw_points(sheet: ByteArray, points: FloatArray, extent: float, colour: int, radius: int) -> None:
    """Draw points ``(N, 2)`` in [-extent, extent]^2 as discs of a palette index on a square sheet; y points up."""
    side = len(sheet)
    finite = points[np.isfinite(points).all(axis=1)]
    pixels = (finite * [1, -1] / extent + 1) * (side / 2)
    near = pixels[(pixels > -radius).all(axis=1) & (pixels < side + radius).all(axis=1)].round().astype(int)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = np.stack([x, y], axis=-1)[np.hypot(x, y) < radius + 0.25]
    columns, rows = np.moveaxis(near[:, None] + disc, -1, 0).reshape(2, -1)
    inside = (columns >= 0) & (columns < side) & (rows >= 0) & (rows < side)
    sheet[rows[inside], columns[inside]] = colour


def png(image: Image.Image) -> bytes:
    """Encode an image as PNG.

    Run-length encoding covers most of an enlarged image; a full search for matches takes five times as long. Indices of
    a palette have no runs where they shade into each other, but a quick search finds the repeated rows.
    """
    file = io.BytesIO()
    options = {"compress_level": 1} if image.mode == "P" else {"compress_type": zlib.Z_RLE}
    image.save(file, "PNG", **options)
    return file.getvalue()


def write_animation(frames: Sequence[Image.Image], path: Path) -> None:
    """Write frames as an endless animated WebP that rests on its last one, atomically; raises ``OSError``."""
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
    first, *rest = [frame.convert("RGB") for frame in frames]
    # In a lossless file ``quality`` is the effort: half of it takes half the time, at a few percent more bytes.
    with replacing(path) as temporary:
        first.save(
            temporary, "WEBP", save_all=True, append_images=rest, duration=durations, loop=0, lossless=True, quality=50
        )


def write_progress_animation(files: Sequence[Path], path: Path) -> None:
    """Write the animation of a run's sample images; of too many, evenly spaced ones with the first and the last.

    Images that a crash has truncated are left out, and so are those of another size than the last one, from before
    ``train.sample_count`` was changed.
    """
    last = next((picture for file in reversed(files) if (picture := _readable(file)) is not None), None)
    if last is None:
        return
    count = min(MAX_ANIMATION_FRAMES, max(2, MAX_ANIMATION_PIXELS // (last.width * last.height)))
    if len(files) > count:
        chosen = np.linspace(0, len(files) - 1, count).round().astype(int)
        files = [files[index] for index in chosen]
    pictures = (_readable(file) for file in files)
    frames = [picture for picture in pictures if picture is not None and picture.size == last.size]
    for frame in frames:
        frame.thumbnail((MAX_WEBP_SIDE, MAX_WEBP_SIDE))
    write_animation(frames or [last], path)


def _readable(file: Path) -> Image.Image | None:
    try:
        return read_sample_picture(file)
    except OSError:
        return None
