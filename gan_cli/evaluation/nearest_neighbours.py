"""Generated samples beside their nearest training samples: what was learned by heart can be seen."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gan_cli.evaluation.backbones.base import Samples, to_floats
from gan_cli.evaluation.evaluator import Evaluator
from gan_cli.metrics.features import nearest
from gan_cli.protocols.arrays import FloatArray
from gan_cli.telemetry.images import grid

ROWS = 8
NEIGHBOURS = 5
MAX_SEARCHED = 2000


def nearest_picture(evaluator: Evaluator, samples: Samples, place: int = -1) -> Image.Image:
    """Two columns of rows, each of a generated image, a gap and its nearest training images, the nearest first.

    On the left those of the first 2,000 images that are nearest to training images, on the right the first ones.

    Args:
        evaluator: knows the training images.
        samples: generated images ``(N, C, H, W)``, as the evaluator rounded them.
        place: whose features tell what is near: place of the backbone in the evaluator's list.
    """
    searched = samples[:MAX_SEARCHED]
    described = evaluator.backbone_measures[place].backbone.extract(searched)
    found = nearest(described.features, evaluator.reference_for(place).training, NEIGHBOURS)
    order = np.argsort(found.distances[:, 0], kind="stable")
    rows = min(ROWS, len(searched))
    gap = np.ones((1, *samples.shape[1:]), np.float32)  # white
    tiles: list[FloatArray] = []
    for left, right in zip(order[:rows], range(rows), strict=True):
        for index, after in ((left, [gap]), (right, [])):
            neighbours = evaluator.data.training[found.indices[index]]
            tiles += [_floats(searched[index : index + 1]), gap, _floats(neighbours), *after]
    return grid(np.concatenate(tiles), columns=2 * (NEIGHBOURS + 2) + 1)


def _floats(images: Samples) -> FloatArray:
    assert images.dtype == np.uint8
    return to_floats(images)  # type: ignore[arg-type]
