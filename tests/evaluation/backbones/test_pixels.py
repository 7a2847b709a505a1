"""The backbone pixels: its features are the samples themselves."""

from __future__ import annotations

import numpy as np

from gan_cli.datasets.digits import Digits
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.evaluation.backbones.pixels import Pixels

RANDOM = np.random.default_rng(0)


def test_pixels_are_the_samples_themselves() -> None:
    images = RANDOM.integers(0, 256, (5, 3, 4, 4), dtype=np.uint8)
    seen = Pixels(Digits().coordinates).extract(images)
    assert seen.features.shape == (5, 48)
    assert seen.features.dtype == np.float32
    assert np.array_equal(np.rint((seen.features + 1) * 127.5), images.reshape(5, -1))
    ring = Ring(radius=7.0)
    points = RANDOM.standard_normal((6, 2)).astype(np.float32)
    assert np.allclose(Pixels(ring.coordinates).extract(points).features, points * ring.scale)
