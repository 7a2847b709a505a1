"""Pictures of more than 8 bits keep their digits; what suits pictures is found from their headers, and stored."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from gan_cli.config.compose import compose, register
from gan_cli.config.fields import Auto
from gan_cli.data.image_fit import Fit
from gan_cli.data.picture_survey import choose_size
from gan_cli.datasets.image_folder import ImageFolder
from gan_cli.errors import DataError, InvalidValueError
from gan_cli.storage.deep_pixels import Depth
from tests.helpers.deep_pictures import write_png

RNG = np.random.default_rng(0)
SIZE = 12


@pytest.fixture(autouse=True)
def registered() -> None:
    register()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def deep(channels: int, white: int = 65535) -> npt.NDArray[Any]:
    return RNG.integers(0, white + 1, (SIZE, SIZE, channels)).astype(np.uint16)


def dataset(folder: Path, **settings: Any) -> ImageFolder:
    chosen: dict[str, Any] = {"size": SIZE, "depth": Depth.auto, **settings}
    return ImageFolder(path=str(folder), root=str(folder.parent / "root"), **chosen)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_of_16_bits_keeps_every_digit(channels: int, folder: Path) -> None:
    pixels = [deep(channels) for _ in range(3)]
    for number, each in enumerate(pixels):
        write_png(folder / f"{number}.png", each)
    loaded = dataset(folder, channels=channels, range=(0.0, 65535.0)).load()
    assert loaded.array.dtype == np.uint16
    assert np.array_equal(loaded.array[:], np.stack(pixels).transpose(0, 3, 1, 2))
    assert loaded.levels == (0.0, 65535.0)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_tiff_of_16_bits_and_of_floats(compression: str, folder: Path) -> None:
    pixels = deep(1)[..., 0]
    Image.fromarray(pixels).save(folder / "a.tif", compression=compression)
    assert np.array_equal(dataset(folder, channels=1).load().array[0, 0], pixels)
    numbers = RNG.normal(280, 5, (SIZE, SIZE)).astype(np.float32)
    Image.fromarray(numbers).save(folder / "a.tif", compression=compression)
    loaded = dataset(folder, channels=1).load()
    assert loaded.array.dtype == np.float32
    assert np.array_equal(loaded.array[0, 0], numbers)
    low, high = loaded.levels
    assert low <= numbers.min() < numbers.max() <= high
    assert high - low < 1.1 * np.ptp(numbers)


def test_12_bits_in_a_16_bit_file_are_no_longer_black(folder: Path) -> None:
    for number in range(4):
        Image.fromarray(deep(1, 4095)[..., 0]).save(folder / f"{number}.png")
    composed = compose(["dataset=image_folder", f"dataset.path={folder}", f"dataset.size={SIZE}", "dataset.channels=1"])
    assert composed.config.dataset.depth == "uint16"
    assert list(composed.config.dataset.range) == [0, 4095]
    loaded = dataset(folder, channels=1).load()
    assert loaded.levels == (0.0, 4095.0)
    samples = np.array([-1.0, 0.0, 1.0], np.float32)
    assert dataset(folder).coordinates(samples).tolist() == [0, 2047.5, 4095]


def test_pictures_of_8_bits_are_those_of_before_and_their_cache_too(folder: Path) -> None:
    for number in range(3):
        Image.fromarray(RNG.integers(0, 256, (SIZE, 20, 3)).astype(np.uint8)).save(folder / f"{number}.png")
    before = dataset(folder, depth=Depth.uint8)
    now = dataset(folder)
    assert before.target == now.target
    assert before.target.identity.keys() == {"size", "channels", "fit", "background", "max_pixels"}
    first, second = before.load(), now.load()
    assert np.array_equal(first.array[:], second.array[:])
    assert (second.array.dtype, second.levels) == (np.uint8, (0.0, 255.0))
    assert len(list((folder.parent / "root" / "image_folder").iterdir())) == 1
    samples = np.zeros((1, 3, SIZE, SIZE), np.float32)
    assert now.coordinates(samples) is samples


def test_deep_pictures_are_cropped_padded_and_laid_on_the_background(folder: Path) -> None:
    pixels = np.full((8, 16, 4), 40_000, np.uint16)
    pixels[..., 3] = 65535
    pixels[:, :8, 3] = 0
    write_png(folder / "a.png", pixels)
    settings: dict[str, Any] = {"size": 8, "range": (0.0, 65535.0), "background": "black"}
    padded = dataset(folder, channels=3, fit=Fit.pad, **settings).load().array[0]
    assert not padded[:, :2].any()
    assert not padded[:, -2:].any()
    assert np.abs(padded[:, 2:6, 5:].astype(int) - 40_000).max() < 3_000
    assert padded[:, 3, 0].max() < 3_000
    alpha = dataset(folder, channels=4, fit=Fit.crop, **settings).load().array[0]
    assert alpha[3, 4, 0] < 3_000
    assert alpha[3, 4, 7] > 62_000
    grey = dataset(folder, channels=1, fit=Fit.stretch, **settings).load().array[0]
    assert abs(int(grey[0, 4, 7]) - 40_000) < 1_500


def test_picture_with_nan_is_left_out_by_name(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    numbers = np.ones((SIZE, SIZE), np.float32)
    Image.fromarray(numbers).save(folder / "a.tif")
    Image.fromarray(numbers * np.nan).save(folder / "b.tif")
    with caplog.at_level(logging.WARNING):
        assert len(dataset(folder, channels=1).load().array) == 1
    assert any("b.tif (values that are not finite)" in line for line in caplog.messages)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(96, 128)] * 3, (96, 128)),
        ([(256, 200)] * 3, (256, 200)),
        ([(512, 512)] * 3, (128, 128)),
        ([(480, 640)] * 3 + [(640, 480)] * 2, (96, 128)),
        ([(100, 90), (110, 100), (120, 80)], (110, 90)),
        ([(2, 30)], (8, 30)),
        ([(4000, 3000), (3000, 4000), (3500, 3500), (3400, 3400)], (128, 128)),
    ],
)
def test_size_that_suits_most_pictures(sizes: list[tuple[int, int]], expected: tuple[int, int]) -> None:
    assert choose_size(sizes) == expected


@pytest.mark.parametrize(
    ("modes", "channels"), [(["L", "L"], 1), (["L", "RGB"], 3), (["RGB", "RGBA"], 4), (["P", "P"], 3), (["LA", "L"], 4)]
)
def test_channels_that_the_pictures_have(modes: list[str], channels: int, folder: Path) -> None:
    for number, mode in enumerate(modes):
        Image.new(mode, (24, 16)).save(folder / f"{number}.png")
    overrides = ["dataset.size=auto", "dataset.channels=auto"]
    composed = compose(["dataset=image_folder", f"dataset.path={folder}", *overrides])
    chosen = composed.config.dataset
    assert (list(chosen.size), chosen.channels, chosen.depth) == ([16, 24], channels, "uint8")
    assert "2 of the pictures" in composed.chosen["dataset.size"].reason
    own = dataset(folder, size=Auto.auto, channels=Auto.auto)
    assert own.load().array.shape == (2, channels, 16, 24) == (2, *own.shape)


def test_turned_pictures_count_as_they_are_seen(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 24)).save(folder / "a.jpg", exif=exif)
    assert dataset(folder, size=Auto.auto).shape == (3, 40, 24)


def test_what_cannot_be_found_out_is_one_line(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"none")
    with pytest.raises(DataError, match="no picture tells what suits"):
        dataset(folder, size=Auto.auto).load()
    for value in ((2.0, 1.0), (0.0, float("inf"))):
        with pytest.raises(InvalidValueError, match="range"):
            dataset(folder, range=value)
