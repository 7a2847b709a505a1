"""Layouts by shape, ranges by values: closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_cli.data.array_layout import ArrayLayout, channels_first, find_layout, image_shape
from gan_cli.data.value_range import ValueEnds, automatic_range
from gan_cli.errors import DataError


@pytest.mark.parametrize(
    ("shape", "layout", "image"),
    [
        ((5, 28, 28), ArrayLayout.nhw, (1, 28, 28)),
        ((5, 28, 30, 3), ArrayLayout.nhwc, (3, 28, 30)),
        ((5, 3, 28, 30), ArrayLayout.nchw, (3, 28, 30)),
        ((5, 1, 8, 8), ArrayLayout.nchw, (1, 8, 8)),
        ((5, 64, 64, 13), ArrayLayout.nhwc, (13, 64, 64)),
    ],
)
def test_layout_is_found_by_shape(shape: tuple[int, ...], layout: ArrayLayout, image: tuple[int, int, int]) -> None:
    assert find_layout(shape) is layout
    assert image_shape(shape, layout) == image
    numbers = np.arange(np.prod(shape)).reshape(shape)
    view = channels_first(numbers, layout)
    assert view.shape == (shape[0], *image)
    assert np.shares_memory(view, numbers)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((5, 32, 32, 32), "does not tell"),
        ((5, 64, 64, 40), "does not tell"),
        ((5, 7), "dataset=table"),
        ((5,), "1 axes"),
        ((5, 4, 8, 8, 8), "5 axes"),
        ((1, 8, 8), "two or more"),
        ((0, 8, 8), "two or more"),
        ((480, 640, 3), "640x3 pixels"),
        ((2, 8, 2000), "sides of 4 to 1024"),
    ],
)
def test_shape_that_is_none_of_images_is_one_line(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        find_layout(shape)


def test_ambiguous_shape_is_chosen() -> None:
    assert find_layout((5, 32, 32, 32), ArrayLayout.nchw) is ArrayLayout.nchw
    with pytest.raises(DataError, match=r"4 axes; dataset\.layout=nhw has 3"):
        find_layout((5, 8, 8, 3), ArrayLayout.nhw)
    with pytest.raises(DataError, match="100 channels"):
        find_layout((5, 100, 8, 8), ArrayLayout.nchw)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "expected"),
    [
        ("?", 0, 1, (0, 1)),
        ("u1", 3, 200, (0, 255)),
        ("u1", 0, 1, (0, 1)),
        ("u1", 0, 0, (0, 255)),
        ("u2", 0, 4095, (0, 4095)),
        ("u2", 5, 4096, (0, 8191)),
        ("u2", 5, 60000, (0, 65535)),
        ("i4", 0, 100, (0, 127)),
        ("i2", -1000, 3071, (-1000, 3100)),
        ("f4", 0, 0.9, (0, 1)),
        ("f4", -0.9, 0.3, (-1, 1)),
        ("f4", 0, 250, (0, 255)),
        ("f8", 0, 0.01, (0, 0.01)),
        ("f8", -3.14159, 7.77, (-4, 8)),
        ("f8", 271.3, 299.9, (271, 300)),
        ("f8", 0, 0, (0, 1)),
        ("f8", 7, 7, (0, 14)),
    ],
)
def test_range_by_type_and_values(dtype: str, low: float, high: float, expected: tuple[float, float]) -> None:
    assert automatic_range(np.dtype(dtype), ValueEnds(low, high)) == expected


@given(st.sampled_from(["u1", "u2", "i4", "f4", "f8"]), st.floats(-1e30, 1e30), st.floats(-1e30, 1e30))
def test_range_holds_all_values_and_is_proper(dtype: str, first: float, second: float) -> None:
    low, high = sorted((first, second))
    if np.dtype(dtype).kind != "f":
        low, high = float(abs(int(low)) % 60000), float(60000 + abs(int(high)) % 5000)
        low, high = (low % 200, 255.0) if dtype == "u1" else (low, high)
    black, white = automatic_range(np.dtype(dtype), ValueEnds(low, high))
    assert black <= low <= high <= white
    assert black < white
