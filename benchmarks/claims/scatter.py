"""Scatter plots of runs on points in the plane: samples over real points and D's surface, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from benchmarks.claims import charts
from benchmarks.claims.snapshot import Snapshot
from gan_cli.telemetry import images

# Generated and real points of a plot, and the side of the mesh on which D is evaluated.
SAMPLES, SIDE = 1000, 100
# Half the width of the plane in units of the farthest real coordinate.
MARGIN = 1.4
REAL, FAKE = (tuple(np.array(colour) / 255) for colour in (images.REAL_COLOUR, images.FAKE_COLOUR))
# Blue is generated to D, yellow is real, as in the pictures of every run.
COLORS = LinearSegmentedColormap.from_list(
    "scores", [colour / 255 for colour in (images.LOW_COLOUR, images.MIDDLE_COLOUR, images.HIGH_COLOUR)]
)


def side_by_side(shown: Sequence[tuple[str, Snapshot]]) -> Figure:
    """Make a figure of titled snapshots beside each other."""
    made, panels = charts.figure(images=len(shown))
    draw(panels, shown)
    return made


def moments(rows: Sequence[tuple[str, Sequence[Snapshot]]]) -> Figure:
    """Make a figure with a row for each run, of its snapshots over time."""
    columns = max(len(snapshots) for _, snapshots in rows)
    made = Figure((1.75 * columns + 1.1, 1.95 * len(rows) + 0.6), layout="constrained")
    panels = made.subplots(len(rows), columns, squeeze=False, sharex=True, sharey=True)
    reach = max(_reach(snapshots[-1]) for _, snapshots in rows)
    for (name, snapshots), row in zip(rows, panels, strict=True):
        row[0].set_ylabel(name)
        for panel, snapshot in zip(row, snapshots, strict=False):
            mappable = _plot(panel, snapshot, reach)
            panel.set_title(f"step {snapshot.step:,}", fontsize="small")
        made.colorbar(mappable, ax=list(row), label="D(x)", pad=0.01)
    _legend(made, panels[0][0])
    return made


def draw(panels: Sequence[Axes], shown: Sequence[tuple[str, Snapshot]]) -> None:
    """Plot titled snapshots in panels, all over the same part of the plane, each with a bar of its D's scores."""
    reach = max(_reach(snapshot) for _, snapshot in shown)
    for panel, (title, snapshot) in zip(panels, shown, strict=True):
        mappable = _plot(panel, snapshot, reach)
        panel.set_title(f"{title}, step {snapshot.step:,}")
        figure: Any = panel.figure
        figure.colorbar(mappable, ax=panel, label=f"D(x): {_objective(snapshot).score_name}", fraction=0.046)
    _legend(figure, panels[0])


def _plot(panel: Axes, snapshot: Snapshot, reach: float) -> Any:
    """Plot a snapshot over [-reach, reach]^2 in the data's own coordinates; return what its colour bar is of."""
    dataset = snapshot.plan.dataset
    ticks = np.linspace(-reach, reach, SIDE) / getattr(dataset, "scale", 1.0)
    mesh = np.stack(np.meshgrid(ticks, ticks, indexing="xy"), axis=-1).reshape(-1, 2)
    low, high = getattr(_objective(snapshot), "score_limits", (None, None))
    surface = snapshot.scores(mesh).reshape(SIDE, SIDE)
    extent = (-reach, reach, -reach, reach)
    mappable = panel.imshow(surface, COLORS, vmin=low, vmax=high, origin="lower", extent=extent)
    # Real points are few and close together: on top, samples do not hide them.
    panel.plot(*snapshot.samples(SAMPLES).T, ".", color=FAKE, markersize=2.5, label="generated")
    panel.plot(*snapshot.real(SAMPLES).T, ".", color=REAL, markersize=1.5, label="real")
    panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    panel.grid(visible=False)
    return mappable


def _objective(snapshot: Snapshot) -> Any:
    assert snapshot.plan.loss is not None
    return snapshot.plan.loss.objective


def _reach(snapshot: Snapshot) -> float:
    return MARGIN * float(np.abs(snapshot.real(SAMPLES)).max())


def _legend(figure: Figure, panel: Axes) -> None:
    """Draw the legend of a panel below all panels, where it hides no point."""
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, fontsize="small", loc="outside lower center", ncols=2, markerscale=4)
