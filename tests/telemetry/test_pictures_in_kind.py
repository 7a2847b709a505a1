"""Pictures in the kind of the data: of 16 bits, with alpha, and of any number of channels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli.protocols.algorithm import Preview
from gan_cli.storage.deep_pixels import Depth, read_numbers
from gan_cli.storage.deep_png import DeepImage
from gan_cli.storage.sample_pictures import read_sample_picture
from gan_cli.telemetry import figures, images
from tests.helpers.deep_pictures import read_png

DEEP = np.dtype(np.uint16)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_holds_every_digit(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (5, 7, channels)).astype(np.uint16)
    content = DeepImage(pixels).png()
    assert np.array_equal(read_png(content), pixels)
    image = Image.open(io.BytesIO(content))
    assert image.size == (7, 5)
    if channels != 2:
        assert np.array_equal(read_numbers(image, Depth.uint16), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_with_text(dtype: type, tmp_path: Path) -> None:
    pixels, texts = np.full((5, 7, 1), 9, dtype), {"label": "Käse, 猫", "seed": "5"}
    images.save_png(images.drawn(pixels), tmp_path / "a.png", texts)
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert dict(image.text) == texts  # type: ignore[attr-defined]
        assert np.array_equal(np.asarray(image), pixels[..., 0])


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_of_16_bits_is_that_of_8_bits_with_more_digits(channels: int) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (5, channels, 8, 9)).astype(np.float32)
    deep, plain = images.grid_pixels(samples, None, DEEP), images.grid_pixels(samples, None, images.BYTE)
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - plain).max() <= 0.51
    tile = deep[2 : 2 + 8 * 6 : 6, 2 : 2 + 9 * 6 : 6]
    assert np.abs(tile - (samples[0].transpose(1, 2, 0).astype(float) + 1) / 2 * 65535).max() <= 0.501


def test_figure_of_16_bits_is_read_back_as_the_figure_of_8_bits(tmp_path: Path) -> None:
    samples = np.linspace(-1, 1, 4 * 64, dtype=np.float32).reshape(4, 1, 8, 8)
    preview = Preview(samples, row_names=["a", "b"], columns=2)
    deep = figures.preview_figure(preview, 5, DEEP)
    assert isinstance(deep, DeepImage)
    images.save(deep, tmp_path / "deep.png")
    images.save(figures.preview_figure(preview, 5), tmp_path / "plain.png")
    found, expected = (np.asarray(read_sample_picture(tmp_path / f"{name}.png"), int) for name in ("deep", "plain"))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1


def test_transparent_samples_lie_on_squares() -> None:
    samples = np.full((2, 4, 56, 56), -1, np.float32)
    samples[1, 3] = 1
    shown = np.asarray(images.grid(samples, 2))
    assert shown.shape[-1] == 3
    first, second = shown[2:58, 2:58], shown[2:58, 60:116]
    assert set(first.ravel().tolist()) == {153, 204}
    assert not second.any()
    single = images.to_image(samples[1])
    assert isinstance(single, Image.Image)
    assert single.mode == "RGBA"


def test_channels_of_other_numbers_are_grey_pictures_in_a_row() -> None:
    samples = np.stack([np.full((5, 56, 56), value, np.float32) for value in (-1, 1)])
    samples[:, 2] = 0
    shown = np.asarray(images.grid(samples, 1))
    assert shown.shape == (2 * 58 + 2, 5 * 58 + 2)
    assert images.grid_size((5, 56, 56), 2, 1) == (5 * 58 + 2, 2 * 58 + 2)
    assert shown[30, 30::58].tolist() == [0, 0, 128, 0, 0]
    assert shown[88, 30::58].tolist() == [255, 255, 128, 255, 255]
    row = images.to_image(samples[0])
    assert row.size == (5 * 56, 56)
    assert not images.is_one_picture(samples[0])
