"""Figures of the claims: panels with curves, drawn by matplotlib, beside the sample grids of runs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

Floats = npt.NDArray[np.float64]

# At matplotlib's 100 dots per inch.
CURVE_INCHES, IMAGE_INCHES, HEIGHT_INCHES = 4.6, 2.9, 3.1
STYLE = {"axes.grid": True, "axes.axisbelow": True, "grid.color": "#e3e3e3", "axes.titlesize": "medium"}


def figure(curves: int = 0, images: int = 0) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels side by side: those for curves, then narrower ones for images."""
    widths = [CURVE_INCHES] * curves + [IMAGE_INCHES] * images
    with mpl.rc_context(STYLE):
        made = Figure((sum(widths), HEIGHT_INCHES), layout="constrained")
        panels = made.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    return made, list(panels)


def reference_line(panel: Axes, value: float, label: str) -> None:
    """Draw a labelled horizontal line over the width of a panel."""
    panel.axhline(value, color="black", linewidth=0.8)
    panel.annotate(label, (0.99, value), xycoords=("axes fraction", "data"), ha="right", va="top", fontsize="small")


def legend(panel: Axes) -> None:
    """Draw the legend of a panel, with one entry for all lines of a label."""
    handles, labels = panel.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    panel.legend(list(unique.values()), list(unique), fontsize="small")


def show_image(panel: Axes, image: Image.Image, title: str) -> None:
    """Fill a panel with an RGB image, and no axes."""
    panel.imshow(np.asarray(image))
    panel.set_axis_off()
    panel.set_title(title)


def show_maps(panels: Sequence[Axes], maps: Mapping[str, Floats], reach: float) -> None:
    """Show titled maps ``(H, W)`` of values from 0 to 1 over [-reach, reach]^2, row 0 at the bottom, with one bar."""
    for panel, (title, values) in zip(panels, maps.items(), strict=True):
        extent = (-reach, reach, -reach, reach)
        mappable = panel.imshow(values, cmap="gray", vmin=0, vmax=1, origin="lower", extent=extent)
        panel.set_title(title)
        panel.grid(visible=False)
    figure: Any = panels[-1].figure
    figure.colorbar(mappable, ax=list(panels), label="D(x)")


def save(made: Figure, path: Path) -> None:
    """Save a figure as PNG with a palette: a third of the bytes, and these figures have few colors."""
    rendered = io.BytesIO()
    made.savefig(rendered, format="png")
    with Image.open(rendered) as image:
        colors = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    colors.save(path, optimize=True)
