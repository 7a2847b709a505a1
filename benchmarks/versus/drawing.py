"""Draw tables, heatmaps and sheets of images with Pillow alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.claims.charts import TEXT_COLOR, side_by_side
from gan_cli.protocols.arrays import FloatArray
from gan_cli.telemetry.images import grid, to_image

TITLE = 24
LINE = 16
# Blue below 0, white at 0, red above.
NEGATIVE_COLOR, POSITIVE_COLOR = np.array([49.0, 104.0, 173.0]), np.array([220.0, 50.0, 32.0])


def with_heading(image: Image.Image, title: str) -> Image.Image:
    """Put a title above an image, at its own size."""
    sheet = Image.new("RGB", (image.width, image.height + TITLE), "white")
    ImageDraw.Draw(sheet).text((image.width / 2, TITLE / 2), title, TEXT_COLOR, ImageFont.load_default(14), anchor="mm")
    sheet.paste(image, (0, TITLE))
    return sheet


def stack_vertically(images: Sequence[Image.Image], gap: int = 8) -> Image.Image:
    """Place images from top to bottom on a white background."""
    height = sum(image.height for image in images) + gap * (len(images) - 1)
    sheet = Image.new("RGB", (max(image.width for image in images), height), "white")
    top = 0
    for image in images:
        sheet.paste(image, (0, top))
        top += image.height + gap
    return sheet


def sheets(samples: Mapping[str, FloatArray], columns: int) -> Image.Image:
    """Place grids of samples ``(N, 1, H, W)`` in [-1, 1] side by side, each under its name."""
    return side_by_side([with_heading(grid(each, columns), name) for name, each in samples.items()], gap=12)


def tile(image: Image.Image, lines: Sequence[str]) -> Image.Image:
    """Put lines of text below an image."""
    sheet = Image.new("RGB", (image.width, image.height + LINE * len(lines) + 6), "white")
    sheet.paste(image, (0, 0))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for place, line in enumerate(lines):
        draw.text((image.width / 2, image.height + 3 + LINE * (place + 0.5)), line, TEXT_COLOR, font, anchor="mm")
    return sheet


def enlarge(image: FloatArray, scale: int) -> Image.Image:
    """Enlarge an image ``(1, H, W)`` in [-1, 1], each pixel a square of ``scale`` pixels."""
    small = to_image(image)
    return small.resize((small.width * scale, small.height * scale), Image.Resampling.NEAREST).convert("RGB")


def heatmap(values: FloatArray, scale: int) -> Image.Image:
    """Color values ``(H, W)``: white is 0; full blue and full red, minus and plus the 99% quantile of their sizes."""
    limit = float(np.quantile(np.abs(values), 0.99)) or 1.0
    level = np.clip(values / limit, -1, 1)[..., None]
    colors = np.where(level < 0, 255 + (255 - NEGATIVE_COLOR) * level, 255 - (255 - POSITIVE_COLOR) * level)
    small = Image.fromarray(np.rint(colors).astype(np.uint8))
    return small.resize((small.width * scale, small.height * scale), Image.Resampling.NEAREST)


def table(columns: Sequence[str], rows: Sequence[Sequence[Image.Image]], gap: int = 8) -> Image.Image:
    """Arrange rows of images of one size under the names of the columns."""
    first, *rest = [side_by_side(row, gap) for row in rows]
    heads = [
        with_heading(Image.new("RGB", (image.width, 0)), name) for name, image in zip(columns, rows[0], strict=True)
    ]
    return stack_vertically([stack_vertically([side_by_side(heads, gap), first], 0), *rest], gap)
