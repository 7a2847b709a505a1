"""Panels of the stations' pictures, drawn by matplotlib, which is imported where a picture is made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gan_cli.protocols.arrays import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_INCHES, SQUARE_INCHES, HEIGHT_INCHES = 4.4, 3.1, 3.3
STYLE: Any = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "grid.color": "#e3e3e3",
    "legend.fontsize": "small",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}
# Data and generated samples, as in the pictures of runs.
REAL, GENERATED = "black", "C3"


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Apply the style of all pictures inside the block."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        yield


def figure(curves: int = 0, squares: int = 0, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure with rows of panels: in each those for curves, then narrower ones for pictures."""
    from matplotlib.figure import Figure

    widths = [CURVE_INCHES] * curves + [SQUARE_INCHES] * squares
    made = Figure((sum(widths), rows * HEIGHT_INCHES))
    panels = made.subplots(rows, len(widths), squeeze=False, width_ratios=widths)
    return made, list(panels.flat)


def reference_line(panel: Axes, value: float, label: str) -> None:
    """Draw a labelled horizontal line over the width of a panel."""
    panel.axhline(value, color="black", linewidth=0.8, linestyle="--")
    panel.annotate(label, (0.99, value), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize="small")


def show_picture(panel: Axes, picture: Image.Image | FloatArray, title: str) -> None:
    """Fill a panel with a picture: RGB, or grey values ``(H, W)`` in [-1, 1], each a square."""
    shown = "antialiased" if isinstance(picture, Image.Image) else "nearest"
    panel.imshow(np.asarray(picture), cmap="gray", vmin=-1, vmax=1, interpolation=shown)
    panel.set_axis_off()
    panel.set_title(title)


def tile(images: FloatArray, columns: int) -> FloatArray:
    """Place grey images ``(N, 1, H, W)`` in rows of ``columns``, a dark pixel apart; returns ``(rows, columns)``."""
    padded = np.pad(images[:, 0], ((0, 0), (1, 0), (1, 0)), constant_values=-1.0)
    count, height, width = padded.shape
    rows = count // columns
    grid = padded[: rows * columns].reshape(rows, columns, height, width)
    tiled: FloatArray = grid.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    return tiled


def scatter(panel: Axes, real: FloatArray, generated: FloatArray, title: str) -> None:
    """Draw points ``(N, 2)`` of the data in black and generated ones in red, on one scale."""
    panel.scatter(real[:, 0], real[:, 1], s=2, color=REAL, alpha=0.4, linewidths=0, label="data")
    panel.scatter(generated[:, 0], generated[:, 1], s=3, color=GENERATED, alpha=0.6, linewidths=0, label="generated")
    reach = 1.3 * float(np.abs(real).max())
    panel.set(title=title, xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")


def surface(panel: Axes, values: npt.NDArray[np.float64], reach: float, title: str, label: str) -> None:
    """Show values ``(S, S)`` in [0, 1] over the square [-reach, reach]^2, with a color bar."""
    image = panel.imshow(
        values, origin="lower", extent=(-reach, reach, -reach, reach), cmap="cividis", vmin=0, vmax=1, aspect="equal"
    )
    panel.figure.colorbar(image, ax=panel, shrink=0.85, label=label)
    panel.grid(visible=False)
    panel.set_title(title)


def smooth(values: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """Return moving means over at most ``window`` values up to each, ``(N,)``."""
    sums = np.cumsum(np.insert(values, 0, 0.0))
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - window, 0)
    means: npt.NDArray[np.float64] = (sums[last] - sums[first]) / (last - first)
    return means


def legend(panel: Axes, entries: Sequence[str] = ()) -> None:
    """Draw the legend of a panel, with one entry for all lines of a label."""
    handles, labels = panel.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    shown = list(entries) or list(unique)
    # The points of scatter plots are too small to be seen in a legend.
    panel.legend([unique[label] for label in shown], shown, markerscale=4 if panel.collections else 1)
