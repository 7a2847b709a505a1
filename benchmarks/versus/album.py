"""Compose the pictures of the page, as figures of matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.versus.measure import TestDigits, score_changes, variation
from benchmarks.versus.models import MODELS
from benchmarks.versus.pairs import CHANGES, pixel_distance
from benchmarks.versus.scores import CODE, ELBO, LOGIT, TrainedModels
from gan_cli.evaluation.backbones.base import Samples, to_floats
from gan_cli.evaluation.evaluator import Evaluator
from gan_cli.evaluation.nearest_neighbours import nearest_picture
from gan_cli.protocols.arrays import FloatArray
from gan_cli.telemetry.images import grid

COLUMNS, ROWS = 6, 10
# Points of a scatter plot, and its half side; the data lie within 1 of the middle.
POINTS, HALF_SIDE = 2000, 1.1
SHOWN_PAIRS, SHOWN_PLACES = (0, 2, 3, 4, 7), (0, 3, 4, 7)
COLUMN_TITLES = {"x": "x, a test digit", **{name: name for name in CHANGES}, "stray": "stray pixels"}


def samples(drawn: Mapping[str, Samples], test: TestDigits) -> Figure:
    """Show test digits, and beside them the first samples ``(N, 1, H, W)`` of all models."""
    count = COLUMNS * ROWS
    models = {model.title: to_floats(drawn[name][:count]) for name, model in MODELS.items()}
    sheets = {"test digits": test.images[:count], **models}
    figure, (panels,) = table(sheets, rows=1, width=3.0, height=5.2)
    for panel, images in zip(panels, sheets.values(), strict=True):
        panel.imshow(np.asarray(grid(images, COLUMNS)), cmap="gray")
    return figure


def scatter(drawn: Mapping[str, Samples], evaluator: Evaluator) -> Figure:
    """Plot points of the data, and beside them the first samples ``(N, 2)`` of all models."""
    sheets = {"data": evaluator.data.held_out, **{model.title: drawn[name] for name, model in MODELS.items()}}
    figure, (panels,) = table(sheets, rows=1, width=3.0, height=3.1)
    for panel, points in zip(panels, sheets.values(), strict=True):
        panel.scatter(*points[:POINTS].T, s=2, linewidths=0)
        panel.set(xlim=(-HALF_SIDE, HALF_SIDE), ylim=(-HALF_SIDE, HALF_SIDE), aspect="equal")
        panel.spines[:].set_visible(True)
    return figure


def neighbours(drawn: Mapping[str, Samples], evaluator: Evaluator) -> Figure:
    """Show samples of all models beside their nearest training digits, by pixels."""
    figure, rows = table([""], rows=len(MODELS), width=8.8, height=5.0)
    for (panel,), (name, model) in zip(rows, MODELS.items(), strict=True):
        panel.set_title(model.title)
        panel.imshow(np.asarray(nearest_picture(evaluator, drawn[name])), cmap="gray")
    return figure


def pairs(models: TrainedModels, test: TestDigits) -> Figure:
    """Show digits and their changed versions at one distance, with the scores of each."""
    names = ("x", *CHANGES)
    figure, rows = table([COLUMN_TITLES[name] for name in names], len(SHOWN_PAIRS), width=1.4, height=2.1)
    for row, place in zip(rows, test.one_of_each[list(SHOWN_PAIRS)], strict=True):
        original = test.pairs.originals[place]
        for panel, image in zip(row, (original, *(test.pairs.changed[name][place] for name in CHANGES)), strict=True):
            scores = models.all_scores(original[None], image[None])
            lines = [
                f"distance {pixel_distance(original, image):.3f}",
                f"log p(x'|z) {scores[CODE][0]:,.0f}",
                f"ELBO {scores[ELBO][0]:,.0f}",
                f"D {scores[LOGIT][0]:+.2f}",
            ]
            show_digit(panel, image, lines)
    return figure


def places(models: TrainedModels, test: TestDigits) -> Figure:
    """Map by how much the scores change when one pixel is moved."""
    figure, rows = table(["x", "log p(x'|z)", "ELBO", "D"], len(SHOWN_PLACES), width=1.7, height=2.1)
    for (digit, *panels), place in zip(rows, test.one_of_each[list(SHOWN_PLACES)], strict=True):
        original = test.pairs.originals[place]
        maps = score_changes(models, original)
        varied = variation(maps)
        show_digit(digit, original, [])
        for panel, (score, values) in zip(panels, maps.items(), strict=True):
            lines = [f"{values.min():.1f} to {values.max():.1f}", f"deviation / size {varied[score]:.0%}"]
            show_heatmap(panel, values, lines)
    return figure


def table(
    titles: Sequence[str] | Mapping[str, object], rows: int, width: float, height: float
) -> tuple[Figure, Sequence[Sequence[Axes]]]:
    """Make a table of panels without axes, in inches each, under the titles of the columns."""
    figure = Figure((width * len(titles), height * rows), layout="compressed")
    panels = figure.subplots(rows, len(titles), squeeze=False)
    for panel in panels.flat:
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    for panel, title in zip(panels[0], titles, strict=True):
        panel.set_title(title, fontsize="medium")
    return figure, panels


def show_digit(panel: Axes, image: FloatArray, lines: Sequence[str]) -> None:
    """Show an image ``(1, H, W)`` in [-1, 1] over lines of text."""
    panel.imshow(image[0], cmap="gray", vmin=-1, vmax=1)
    panel.set_xlabel("\n".join(lines), fontsize="small")


def show_heatmap(panel: Axes, values: FloatArray, lines: Sequence[str]) -> None:
    """Color values ``(H, W)``: white is 0; full blue and full red, minus and plus the 99% quantile of their sizes."""
    limit = float(np.quantile(np.abs(values), 0.99)) or 1.0
    panel.imshow(values, cmap="bwr", vmin=-limit, vmax=limit)
    panel.set_xlabel("\n".join(lines), fontsize="small")


def save(figure: Figure, path: Path) -> None:
    """Save as lossless WebP, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, pil_kwargs={"lossless": True, "quality": 100, "method": 6})
