"""Stacked MNIST: from a small MNIST whose every digit can be told apart, and from the real one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from gan_cli.datasets.mnist import Mnist, MnistSplit
from gan_cli.datasets.stacked_mnist import BLOCK, StackedMnist
from gan_cli.errors import DataError, InvalidValueError
from tests.helpers.idx_files import IMAGES, LABELS, idx_bytes

DIGITS = np.random.default_rng(0).integers(1, 256, (20, 28, 28), dtype=np.uint8)
OF_DIGIT = np.arange(20, dtype=np.uint8) % 10


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A data root whose MNIST has twenty random pictures, two of each digit."""
    files = {IMAGES: idx_bytes(DIGITS), LABELS: idx_bytes(OF_DIGIT)}
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(Mnist, "checksums", MappingProxyType(checksums))
    (tmp_path / "mnist").mkdir()
    for name, content in files.items():
        (tmp_path / "mnist" / name).write_bytes(content)
    return str(tmp_path)


def sources(planes: np.ndarray) -> np.ndarray:
    """``(N, 3, 28, 28)`` -> which picture each plane is, ``(N, 3)``; fails if one is none of them."""
    numbers = {picture.tobytes(): number for number, picture in enumerate(DIGITS)}
    return np.array([[numbers[plane.tobytes()] for plane in image] for image in planes])


def test_each_plane_is_a_digit_and_the_label_spells_them(root: str) -> None:
    dataset = StackedMnist(root, (), count=BLOCK + 500)
    images = dataset.load()
    assert (images.array.shape, images.array.dtype) == ((BLOCK + 500, *dataset.shape), np.uint8)
    found = sources(images.array)
    assert images.labels is not None
    assert images.labels.dtype == np.int64
    assert np.array_equal(images.labels, OF_DIGIT[found].astype(int) @ [100, 10, 1])
    assert 0 <= images.labels.min() <= images.labels.max() < dataset.classes == 1000
    assert len(np.unique(images.labels)) > 950
    # Drawn independently, each picture as often as any other: 4596 draws a plane, 230 +- 15 of each picture.
    for plane in range(3):
        assert np.abs(np.bincount(found[:, plane], minlength=20) - 229.8).max() < 5 * 15
    assert np.abs(np.corrcoef(found.T) - np.eye(3)).max() < 0.08


def test_the_seed_decides(root: str) -> None:
    first, same, other = (StackedMnist(root, (), count=50, seed=seed).load() for seed in (3, 3, 4))
    assert np.array_equal(first.array, same.array)
    assert np.array_equal(first.labels, same.labels)
    assert not np.array_equal(first.labels, other.labels)


def test_32_pixels_are_28_in_a_black_frame(root: str) -> None:
    small, large = (StackedMnist(root, (), count=30, size=size) for size in (28, 32))
    assert large.shape == (3, 32, 32)
    pixels = large.load().array
    assert np.array_equal(pixels[:, :, 2:30, 2:30], small.load().array)
    assert pixels.sum(dtype=int) == small.load().array.sum(dtype=int)


def test_errors_of_mnist_are_reported(root: str) -> None:
    (Path(root) / "mnist" / LABELS).write_bytes(b"")
    with pytest.raises(DataError, match=LABELS):
        StackedMnist(root, ()).load()


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"count": 0}, "count"),
        ({"size": 30}, "size"),
        ({"seed": -1}, "seed"),
        ({"root": ""}, "root"),
        ({"mirrors": ("ftp://x",)}, "mirrors"),
    ],
)
def test_wrong_values_are_refused(settings: dict[str, object], key: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        StackedMnist(**{"root": "data", "mirrors": (), **settings})  # type: ignore[arg-type]
    assert caught.value.key == key


def test_real_digits_fill_all_thousand_modes(real_data: Path) -> None:
    images = StackedMnist(str(real_data), (), MnistSplit.test, count=20_000, seed=1).load()
    assert images.labels is not None
    assert len(np.unique(images.labels)) == 1000
    digits = Mnist(str(real_data), (), MnistSplit.test).load()
    assert digits.labels is not None
    red = {picture.tobytes(): int(label) for picture, label in zip(digits.array, digits.labels, strict=True)}
    assert [red[image[0].tobytes()] for image in images.array[:200]] == (images.labels[:200] // 100).tolist()
