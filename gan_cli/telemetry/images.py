"""Plain pictures of samples: enlarged grids, scatter plots over the surface of D, and animations of the progress.

numpy and Pillow only: callers copy tensors to the host. With words beside them: ``figures.py``.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from gan_cli.protocols.algorithm import Plane, Preview, Surface
from gan_cli.protocols.arrays import ByteArray, FloatArray
from gan_cli.protocols.data import Dataset, PixelDepth
from gan_cli.storage.deep_png import DeepImage
from gan_cli.storage.files import replacing
from gan_cli.storage.sample_pictures import read_sample_picture

TILE = 56  # small images are enlarged by a whole factor until they are about this wide
GAP = 2
BYTE: np.dtype[Any] = np.dtype(np.uint8)
# Channels of what is one picture; of others each channel is a grey one.
GREY, RGB, RGBA = 1, 3, 4
# The two shares of white below what is transparent, and the side of their squares in pixels.
CHECKS, CHECK_SIDE = (0.8, 0.6), 4
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


def pixel_type(dataset: Dataset) -> np.dtype[Any]:
    """Return the type of the pixels of pictures of a dataset's samples, uint8 or uint16."""
    return np.dtype(f"uint{dataset.pixel_bits}" if isinstance(dataset, PixelDepth) else np.uint8)


def to_pixels(samples: FloatArray, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Convert values in [-1, 1], of any shape, to all values of uint8 or uint16: rounded and clipped; NaN becomes 0."""
    if dtype == np.uint8:
        return to_bytes(samples)
    white = np.iinfo(dtype).max
    shares = (np.nan_to_num(samples, nan=-1.0).astype(np.float64) + 1) / 2
    pixels: npt.NDArray[Any] = np.rint(shares.clip(0, 1) * white).astype(dtype)
    return pixels


def to_image(sample: FloatArray, dtype: np.dtype[Any] = BYTE) -> Image.Image | DeepImage:
    """Convert one sample ``(C, H, W)`` in [-1, 1] to an image of its own size.

    1 channel is grey, 3 are RGB, 4 are RGB and alpha; of others each is a grey picture, in a row.
    """
    channels, height, width = sample.shape
    pixels = np.moveaxis(to_pixels(sample, dtype), 0, -1)
    if channels not in (GREY, RGB, RGBA):
        pixels = np.moveaxis(pixels, -1, 1).reshape(height, channels * width, 1)
    return drawn(pixels)


def drawn(pixels: npt.NDArray[Any]) -> Image.Image | DeepImage:
    """Make an image of pixels ``(H, W, C)``, uint8 or uint16."""
    if pixels.dtype == np.uint16:
        return DeepImage(pixels)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == GREY else pixels)


def preview_image(preview: Preview, dtype: np.dtype[Any] = BYTE) -> Image.Image | DeepImage:
    """Draw samples without any words: a grid of images, or for points a scatter plot over the surface of D."""
    if preview.samples.ndim == 2:
        return palette_image(scatter(preview.samples, preview.plane, SCATTER))
    return drawn(grid_pixels(preview.samples, preview.columns, dtype))


def grid(samples: FloatArray, columns: int | None = None) -> Image.Image:
    """Arrange samples in a grid of 8 bits; see :func:`grid_pixels`."""
    pixels: ByteArray = grid_pixels(samples, columns, BYTE)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == GREY else pixels)


def grid_pixels(samples: FloatArray, columns: int | None, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Arrange samples ``(N, C, H, W)`` in [-1, 1] in a grid, nearly square unless ``columns`` says otherwise.

    Four channels are RGB and alpha, and lie on squares of two greys; of other numbers than 1, 3 and 4 each channel is a
    grey picture, those of a sample beside each other.

    Returns:
        ``(H, W, 1 or 3)``, uint8 or uint16 as ``dtype`` says.
    """
    original, count = samples.shape[1:], len(samples)
    columns = columns or default_columns(original, count)
    if original[0] == RGBA:
        samples = _on_checks(samples)
    elif original[0] not in (GREY, RGB):
        samples, columns = samples.reshape(-1, 1, *original[1:]), columns * original[0]
    channels, height, width = samples.shape[1:]
    scale = enlargement(height, width)
    tile_height, tile_width = height * scale + GAP, width * scale + GAP
    sheet_width, sheet_height = grid_size(samples.shape[1:], len(samples), columns)
    sheet = np.full((sheet_height, sheet_width, channels), np.iinfo(dtype).max, dtype)
    # Nearest neighbour shows the actual pixels, not an interpolation of them.
    enlarged = to_pixels(samples, dtype).repeat(scale, axis=2).repeat(scale, axis=3)
    for index, tile in enumerate(np.moveaxis(enlarged, 1, -1)):
        top, left = GAP + index // columns * tile_height, GAP + index % columns * tile_width
        sheet[top : top + height * scale, left : left + width * scale] = tile
    return sheet


def _on_checks(samples: FloatArray) -> FloatArray:
    """Lay images ``(N, 4, H, W)`` with alpha on squares of two greys, so that what is transparent is seen."""
    rows, columns = (np.arange(length) // CHECK_SIDE for length in samples.shape[2:])
    light, dark = (np.float32(2 * share - 1) for share in CHECKS)
    checks = np.where((rows[:, None] + columns) % 2, dark, light)
    opaque = ((samples[:, 3:] + 1) / 2).clip(0, 1)
    shown: FloatArray = (samples[:, :3] * opaque + checks * (1 - opaque)).astype(np.float32)
    return shown


def default_columns(shape: tuple[int, ...], count: int) -> int:
    """Return the number of samples in a row of a nearly square grid of them."""
    tiles = 1 if shape[0] in (GREY, RGB, RGBA) else shape[0]
    return max(1, math.ceil(math.sqrt(count / tiles)))


def grid_size(shape: tuple[int, ...], count: int, columns: int | None = None) -> tuple[int, int]:
    """Return width and height in pixels of the :func:`grid` of so many samples ``(C, H, W)``."""
    channels, height, width = shape
    columns = columns or default_columns(shape, count)
    scale = enlargement(height, width)
    rows = math.ceil(count / columns)
    columns *= 1 if channels in (GREY, RGB, RGBA) else channels
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


def png(image: Image.Image | DeepImage) -> bytes:
    """Encode an image as PNG.

    Run-length encoding covers most of an enlarged image; a full search for matches takes five times as long. Indices of
    a palette have no runs where they shade into each other, but a quick search finds the repeated rows.
    """
    if isinstance(image, DeepImage):
        return image.png()
    file = io.BytesIO()
    options = {"compress_level": 1} if image.mode == "P" else {"compress_type": zlib.Z_RLE}
    image.save(file, "PNG", **options)
    return file.getvalue()


def save(image: Image.Image | DeepImage, path: Path) -> None:
    """Write an image in the format of the name; raises ``OSError``."""
    if isinstance(image, DeepImage):
        path.write_bytes(image.png())
    else:
        (image.convert("RGB") if image.mode == "P" else image).save(path)  # JPEG has no palettes


def png_bytes(image: Image.Image | DeepImage) -> bytes:
    """Return an image as the content of a PNG file."""
    if isinstance(image, DeepImage):
        return image.png()
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def save_png(image: Image.Image | DeepImage, path: Path, texts: Mapping[str, str]) -> None:
    """Write an image as PNG with chunks of text, keyword -> text; raises ``OSError``."""
    if isinstance(image, DeepImage):
        path.write_bytes(image.png(texts))
        return
    chunks = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        chunks.add_itxt(keyword, text.encode("utf-8", "replace").decode("utf-8"))
    image.save(path, "PNG", pnginfo=chunks)


def is_one_picture(sample: FloatArray) -> bool:
    """Return True for a sample ``(C, H, W)`` that is grey, RGB, or RGB and alpha."""
    return len(sample) in (GREY, RGB, RGBA)


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
