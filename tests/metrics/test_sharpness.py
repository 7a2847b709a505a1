"""Sharpness: nothing in a flat image or a slope, known for a single pixel, less for what is blurred, more for noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, laplace

from gan_cli.metrics.sharpness import sharpness


def test_a_flat_image_has_none() -> None:
    assert sharpness(np.full((2, 1, 8, 8), 0.3, np.float32)) == 0.0


def test_a_single_pixel_is_known() -> None:
    """Its Laplacian is -4 there and 1 at four neighbours: mean 0, mean square 20 / 64."""
    image = np.zeros((1, 1, 8, 8), np.float32)
    image[0, 0, 4, 4] = 1
    assert sharpness(image) == pytest.approx(20 / 64)
    assert sharpness(2 * image) == pytest.approx(80 / 64)


def test_it_is_the_variance_of_scipys_laplacian() -> None:
    images = np.random.default_rng(0).normal(size=(3, 2, 9, 7)).astype(np.float32)
    edges = [[laplace(channel.astype(np.float64), mode="nearest") for channel in image] for image in images]
    assert sharpness(images) == pytest.approx(np.mean([np.var(each) for each in edges]))


def test_blur_lowers_it() -> None:
    image = np.random.default_rng(1).normal(size=(1, 1, 32, 32)).astype(np.float32)
    blurred = gaussian_filter(image, (0, 0, 1, 1))
    assert sharpness(blurred) < 0.1 * sharpness(image)
