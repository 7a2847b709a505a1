"""Picture of generated samples beside their nearest training samples, which shows memorized ones."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gan_cli.evaluation.backbones.base import Samples, to_floats
from gan_cli.evaluation.evaluator import Evaluator
from gan_cli.metrics.features import nearest
from gan_cli.protocols.arrays import FloatArray
from gan_cli.telemetry.figures import grid_figure

ROWS = 8
NEIGHBORS = 5
MAX_SEARCHED = 2000


def nearest_picture(evaluator: Evaluator, samples: Samples, index: int = -1) -> Image.Image:
    """Draw two columns of rows, each of a generated image, a gap and its nearest training images, the nearest first.

    On the left those of the first 2,000 images that are nearest to training images, on the right the first ones.

    Args:
        evaluator: the evaluator, which has the training images.
        samples: generated images ``(N, C, H, W)``, as the evaluator quantized them.
        index: index in the evaluator's list of the backbone whose features define distances.
    """
    searched = samples[:MAX_SEARCHED]
    generated = evaluator.backbone_measures[index].backbone.extract(searched)
    found = nearest(generated.features, evaluator.reference_for(index).training, NEIGHBORS)
    order = np.argsort(found.distances[:, 0], kind="stable")
    rows = min(ROWS, len(searched))
    gap = np.ones((1, *samples.shape[1:]), np.float32)  # white
    tiles: list[FloatArray] = []
    for left, right in zip(order[:rows], range(rows), strict=True):
        for index, after in ((left, [gap]), (right, [])):
            neighbors = evaluator.data.training[found.indices[index]]
            tiles += [to_floats(searched[index : index + 1]), gap, to_floats(neighbors), *after]
    block = NEIGHBORS + 3  # a generated image, a gap, its neighbors and a gap
    names = {column: text for start in (0, block) for column, text in ((start, "generated"), (start + 2, "nearest"))}
    caption = (
        "each row: a generated image, then its nearest training images, the nearest first",
        "left: the generated images that are nearest to training images; right: the first ones",
    )
    return grid_figure(np.concatenate(tiles), 2 * (NEIGHBORS + 2) + 1, caption, column_names=names)
