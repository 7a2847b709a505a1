"""The digits inside scikit-learn."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from gan_cli.datasets.digits import Digits


def test_pixels_are_the_ink_of_scikit_learn_on_the_scale_of_bytes() -> None:
    images = Digits().load()
    assert images.array.shape == (1797, *Digits().shape)
    assert images.array.dtype == np.uint8
    assert (images.array.min(), images.array.max()) == (0, 255)
    ink = images.array[:, 0].astype(float) * 16 / 255
    assert np.abs(ink - load_digits().images).max() < 0.04  # half a byte


def test_labels() -> None:
    labels = Digits().load().labels
    assert labels is not None
    assert labels.dtype == np.int64
    assert np.array_equal(labels, load_digits().target)


def test_generated_images_are_their_own_coordinates() -> None:
    samples = np.zeros((2, 1, 8, 8), np.float32)
    assert Digits().coordinates(samples) is samples
