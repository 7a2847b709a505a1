"""Compose the pictures of the page."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from benchmarks.versus import drawing
from benchmarks.versus.measure import TestDigits, score_changes, variation
from benchmarks.versus.pairs import CHANGES, pixel_distance
from benchmarks.versus.scores import CODE, ELBO, LOGIT, TrainedModels
from gan_cli.evaluation.backbones.base import to_floats
from gan_cli.evaluation.evaluator import Evaluator
from gan_cli.evaluation.nearest_neighbours import nearest_picture
from gan_cli.protocols.arrays import ByteArray

COLUMNS, ROWS = 6, 10
SCALE, MAP_SCALE = 4, 5
SHOWN_PAIRS, SHOWN_PLACES = (0, 2, 3, 4, 7), (0, 3, 4, 7)
COLUMN_TITLES = {"x": "x, a test digit", **{name: name for name in CHANGES}, "stray": "stray pixels"}


def samples(gan: ByteArray, vae: ByteArray, test: TestDigits) -> Image.Image:
    """Show the first samples of both models, and test digits between them."""
    count = COLUMNS * ROWS
    return drawing.sheets(
        {"GAN": to_floats(gan[:count]), "test digits": test.images[:count], "VAE": to_floats(vae[:count])}, COLUMNS
    )


def neighbours(gan: ByteArray, vae: ByteArray, evaluator: Evaluator) -> Image.Image:
    """Show samples of both models beside their nearest training digits, by pixels."""
    titled = {"GAN": gan, "VAE": vae}
    return drawing.stack_vertically(
        [drawing.with_heading(nearest_picture(evaluator, each), name) for name, each in titled.items()], gap=12
    )


def pairs(models: TrainedModels, test: TestDigits) -> Image.Image:
    """Show digits and their changed versions at one distance, with the scores of each."""
    rows = []
    for place in test.one_of_each[list(SHOWN_PAIRS)]:
        original = test.pairs.originals[place]
        row = []
        for image in (original, *(test.pairs.changed[name][place] for name in CHANGES)):
            scores = models.all_scores(original[None], image[None])
            lines = [
                f"distance {pixel_distance(original, image):.3f}",
                f"log p(x'|z) {scores[CODE][0]:,.0f}",
                f"ELBO {scores[ELBO][0]:,.0f}",
                f"D {scores[LOGIT][0]:+.2f}",
            ]
            row.append(drawing.tile(drawing.enlarge(image, SCALE), lines))
        rows.append(row)
    return drawing.table([COLUMN_TITLES[name] for name in ("x", *CHANGES)], rows)


def places(models: TrainedModels, test: TestDigits) -> Image.Image:
    """Map by how much the scores change when one pixel is moved."""
    rows = []
    for place in test.one_of_each[list(SHOWN_PLACES)]:
        original = test.pairs.originals[place]
        maps = score_changes(models, original)
        varied = variation(maps)
        row = [drawing.tile(drawing.enlarge(original, MAP_SCALE), ["", ""])]
        for score, values in maps.items():
            lines = [f"{values.min():.1f} to {values.max():.1f}", f"deviation / size {varied[score]:.0%}"]
            row.append(drawing.tile(drawing.heatmap(values, MAP_SCALE), lines))
        rows.append(row)
    return drawing.table(["x", "log p(x'|z)", "ELBO", "D"], rows)


def save(image: Image.Image, path: Path) -> None:
    """Save as lossless WebP, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, lossless=True, quality=100, method=6)
