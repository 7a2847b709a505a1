"""Draw charts and sheets of pictures with Pillow alone: pure functions from numbers to an image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from benchmarks.claims.claim import Runs

Floats = npt.NDArray[np.float64]

# Charts are drawn at this many times their size and reduced, which smooths the lines.
SUPERSAMPLING = 2
WIDTH, HEIGHT = 460, 310
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 48, 40
COLORS = ("#3168ad", "#dc3220", "#2a8c4a", "#8b5fbf", "#c07f00", "#5b5b5b")
TEXT_COLOR, GRID_COLOR = "#303030", "#e3e3e3"


@dataclass(frozen=True)
class Line:
    """A line, or a series of dots, in a panel.

    Attributes:
        label: in the legend; empty: no entry.
        x: ``(N,)``.
        y: ``(N,)``.
        color: index into :data:`COLORS`.
        dots: whether points are drawn instead of a line.
        faint: drawn thin and pale, behind a line of more interest.
    """

    label: str
    x: Sequence[float] | Floats
    y: Sequence[float] | Floats
    color: int = 0
    dots: bool = False
    faint: bool = False


@dataclass(frozen=True)
class ReferenceLine:
    """A labelled horizontal reference line."""

    value: float
    label: str


@dataclass(frozen=True)
class Panel:
    """One chart with axes and a legend.

    Attributes:
        title: above it.
        x_label: label of the horizontal axis.
        lines: drawn in order, later ones above earlier ones.
        reference_lines: labelled horizontal lines.
        logarithmic: whether the vertical axis is logarithmic.
        low: start of the vertical axis; None: from the lines.
    """

    title: str
    x_label: str
    lines: Sequence[Line]
    reference_lines: Sequence[ReferenceLine] = ()
    logarithmic: bool = False
    low: float | None = None


def chart(panels: Sequence[Panel]) -> Image.Image:
    """Draw panels side by side."""
    return side_by_side([_render_panel(panel) for panel in panels])


def side_by_side(images: Sequence[Image.Image], gap: int = 0) -> Image.Image:
    """Place images from left to right on a white background."""
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    sheet = Image.new("RGB", (width, max(image.height for image in images)), "white")
    left = 0
    for image in images:
        sheet.paste(image, (left, 0))
        left += image.width + gap
    return sheet


def with_title(image: Image.Image, title: str, side: int = 230) -> Image.Image:
    """Resize an image to a width, and put a title above it."""
    small = image.resize((side, round(image.height * side / image.width)), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (side, small.height + 22), "white")
    ImageDraw.Draw(sheet).text((side / 2, 11), title, TEXT_COLOR, _font(13), anchor="mm")
    sheet.paste(small, (0, 22))
    return sheet


def last_samples(seeds: Sequence[Runs], names: Iterable[str]) -> Image.Image:
    """Place the last sample grids of seed 0's runs side by side, by the names of their arms."""
    return side_by_side(
        [with_title(seeds[0][name].last_sample_grid(), f"{name}, seed 0", 300) for name in names], gap=8
    )


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _render_panel(panel: Panel) -> Image.Image:
    sheet = Image.new("RGB", (WIDTH * SUPERSAMPLING, HEIGHT * SUPERSAMPLING), "white")
    draw = ImageDraw.Draw(sheet)
    x_low, x_high = _range([np.asarray(line.x, float) for line in panel.lines])
    ys = [
        *(np.asarray(line.y, float) for line in panel.lines),
        np.array([level.value for level in panel.reference_lines]),
    ]
    if panel.logarithmic:
        ys = [np.log10(y[y > 0]) for y in ys]
    y_low, y_high = _range(ys)
    y_low = y_low if panel.low is None else panel.low
    margin = 0.05 * (y_high - y_low)
    y_low, y_high = y_low - margin * (panel.low is None), y_high + margin

    def place(x: float, y: float) -> tuple[float, float]:
        x_label = LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        up = HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
        return x_label * SUPERSAMPLING, up * SUPERSAMPLING

    small, ink = _font(11 * SUPERSAMPLING), TEXT_COLOR
    draw.text((WIDTH * SUPERSAMPLING / 2, 14 * SUPERSAMPLING), panel.title, ink, _font(13 * SUPERSAMPLING), anchor="mm")
    draw.text(
        ((LEFT + WIDTH - RIGHT) / 2 * SUPERSAMPLING, (HEIGHT - 12) * SUPERSAMPLING),
        panel.x_label,
        ink,
        small,
        anchor="mm",
    )
    for tick in ticks(y_low, y_high, whole=panel.logarithmic):
        start = place(x_low, tick)
        draw.line([start, place(x_high, tick)], GRID_COLOR, SUPERSAMPLING)
        text = f"1e{tick:.0f}" if panel.logarithmic else f"{tick:g}"
        draw.text((start[0] - 5 * SUPERSAMPLING, start[1]), text, ink, small, anchor="rm")
    for tick in ticks(x_low, x_high):
        draw.text((place(tick, y_low)[0], (HEIGHT - BOTTOM + 12) * SUPERSAMPLING), f"{tick:g}", ink, small, anchor="mm")
    for line in panel.lines:
        _draw_line(draw, line, [place(x, y) for x, y in _finite_points(line, panel.logarithmic)])
    for level in panel.reference_lines:
        height = math.log10(level.value) if panel.logarithmic else level.value
        start, end = place(x_low, height), place(x_high, height)
        draw.line([start, end], ink, SUPERSAMPLING)
        draw.text((end[0] - 4 * SUPERSAMPLING, end[1] + 3 * SUPERSAMPLING), level.label, ink, small, anchor="ra")
    draw.rectangle([*place(x_low, y_high), *place(x_high, y_low)], outline="#909090", width=SUPERSAMPLING)
    _draw_legend(draw, panel.lines)
    return sheet.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def _finite_points(line: Line, logarithmic: bool) -> list[tuple[float, float]]:
    x, y = np.asarray(line.x, float), np.asarray(line.y, float)
    kept = np.isfinite(y) & ((y > 0) | (not logarithmic))
    return list(zip(x[kept], np.log10(y[kept]) if logarithmic else y[kept], strict=True))


def _draw_line(draw: ImageDraw.ImageDraw, line: Line, places: Sequence[tuple[float, float]]) -> None:
    color = COLORS[line.color]
    if line.dots:
        size = 2.6 * SUPERSAMPLING
        for x, y in places:
            draw.ellipse([x - size, y - size, x + size, y + size], color)
    else:
        draw.line(
            places,
            _lighten(color) if line.faint else color,
            SUPERSAMPLING if line.faint else 2 * SUPERSAMPLING,
            joint="curve",
        )


def _lighten(color: str) -> tuple[int, int, int]:
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return (red + 255) // 2, (green + 255) // 2, (blue + 255) // 2


def _draw_legend(draw: ImageDraw.ImageDraw, lines: Sequence[Line]) -> None:
    """Draw the legend in a row under the title, where it covers no line."""
    named = {line.label: line.color for line in lines if line.label}
    font, height = _font(11 * SUPERSAMPLING), 36 * SUPERSAMPLING
    widths = [draw.textlength(label, font) + 38 * SUPERSAMPLING for label in named]
    left = (WIDTH * SUPERSAMPLING - sum(widths)) / 2
    for (label, color), width in zip(named.items(), widths, strict=True):
        draw.line([(left, height), (left + 18 * SUPERSAMPLING, height)], COLORS[color], 3 * SUPERSAMPLING)
        draw.text((left + 23 * SUPERSAMPLING, height), label, TEXT_COLOR, font, anchor="lm")
        left += width


def _range(values: Sequence[Floats]) -> tuple[float, float]:
    every = np.concatenate(values)
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return about five round numbers in an interval: multiples of 1, 2 or 5 times a power of ten, or integers."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda each: abs(math.log(each / rough)))
    step = max(1.0, round(step)) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]
