"""Pairs of IDX files of any names and shapes: EMNIST's, KMNIST's and a user's own."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from gan_cli.config.compose import compose, register
from gan_cli.datasets.idx import Idx, IdxSplit
from gan_cli.errors import DataError, InvalidValueError
from gan_cli.evaluation.real_data import find_test_split
from gan_cli.protocols.data import CountableImages, OwnFiles
from gan_cli.training import planning
from tests.helpers.idx_files import idx_bytes

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (6, 28, 28), dtype=np.uint8)
LABELS = np.array([3, 1, 2, 3, 1, 26], np.uint8)


def write(folder: Path, name: str, array: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = idx_bytes(array)
    (folder / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return folder / name


NAMES = [
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
    ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
    ("emnist-letters-train-images-idx3-ubyte.gz", "emnist-letters-train-labels-idx1-ubyte.gz"),
    ("Mine_Train_Images.IDX", "mine_train_labels.idx"),
    ("images.idx", "labels.idx"),
]


@pytest.mark.parametrize(("images", "labels"), NAMES)
@pytest.mark.parametrize("whole_folder", [True, False])
def test_a_pair_of_any_spelling(images: str, labels: str, whole_folder: bool, tmp_path: Path) -> None:
    write(tmp_path, labels, LABELS)
    path = write(tmp_path, images, PIXELS)
    data = Idx(str(tmp_path if whole_folder else path))
    assert isinstance(data, CountableImages)
    assert isinstance(data, OwnFiles)
    assert data.count_images() == 6
    assert data.shape == (1, 28, 28)
    loaded = data.load()
    assert np.array_equal(loaded.array, PIXELS[:, None])
    assert loaded.labels is not None
    assert loaded.class_names == ("1", "2", "3", "26")
    assert [int(loaded.class_names[label]) for label in loaded.labels] == LABELS.tolist()
    assert find_test_split(data) is None


def test_a_file_of_any_name_without_labels(tmp_path: Path) -> None:
    path = write(tmp_path, "pictures.bin", PIXELS)
    write(tmp_path, "labels.bin", LABELS)
    loaded = Idx(str(path)).load()
    assert loaded.labels is None
    assert loaded.class_names == ()
    assert np.array_equal(loaded.array, PIXELS[:, None])


@pytest.mark.parametrize("test", ["t10k", "test"])
@pytest.mark.parametrize("by_file", [True, False])
def test_the_part_to_test_with_has_the_classes_of_all(test: str, by_file: bool, tmp_path: Path) -> None:
    write(tmp_path, f"{test}-images-idx3-ubyte", PIXELS[:2])
    write(tmp_path, f"{test}-labels-idx1-ubyte", np.array([2, 9], np.uint8))
    write(tmp_path, "train-labels-idx1-ubyte", LABELS)
    path = write(tmp_path, "train-images-idx3-ubyte", PIXELS)
    data = Idx(str(path if by_file else tmp_path))
    part = find_test_split(data)
    assert isinstance(part, Idx)
    assert part.split is IdxSplit.test
    loaded = part.load()
    assert np.array_equal(loaded.array, PIXELS[:2, None])
    assert loaded.class_names == data.load().class_names == ("1", "2", "3", "9", "26")
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [1, 3]
    assert find_test_split(part) is None
    assert find_test_split(Idx(str(tmp_path / f"{test}-images-idx3-ubyte"))) is None


def test_emnists_characters_and_transposed_images(tmp_path: Path) -> None:
    stored = np.ascontiguousarray(PIXELS[:, :20].swapaxes(1, 2))
    write(tmp_path, "emnist-letters-train-images-idx3-ubyte", stored)
    write(tmp_path, "emnist-letters-train-labels-idx1-ubyte", LABELS)
    (tmp_path / "emnist-letters-mapping.txt").write_text("".join(f"{i} {64 + i} {96 + i}\n" for i in range(1, 27)))
    data = Idx(str(tmp_path), transpose=True, size=(20, 28))
    assert data.shape == (1, 20, 28)
    loaded = data.load()
    assert np.array_equal(loaded.array[:, 0], PIXELS[:, :20])
    assert loaded.class_names == ("Aa", "Bb", "Cc", "Zz")
    assert loaded.array.flags.c_contiguous
    assert Idx(str(tmp_path), size=(28, 20)).load().array.shape == (6, 1, 28, 20)


@pytest.mark.parametrize("line", ["1 x", "1", "1 7", "1 99999999999", "\udcff".encode("utf-8", "surrogatepass")])
def test_a_wrong_mapping(line: str | bytes, tmp_path: Path) -> None:
    write(tmp_path, "emnist-x-train-images-idx3-ubyte", PIXELS)
    write(tmp_path, "emnist-x-train-labels-idx1-ubyte", LABELS)
    (tmp_path / "emnist-x-mapping.txt").write_bytes(line if isinstance(line, bytes) else line.encode())
    with pytest.raises(DataError, match=r"emnist-x-mapping\.txt: (line 1: expected a label and codes|no text)"):
        Idx(str(tmp_path)).load()


@pytest.mark.parametrize(
    ("stored", "shape"),
    [((4, 3, 8, 10), (3, 8, 10)), ((4, 8, 10, 3), (3, 8, 10)), ((4, 1, 9, 9), (1, 9, 9)), ((4, 7, 12, 9), (7, 12, 9))],
)
def test_any_height_width_and_channels(stored: tuple[int, ...], shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = RANDOM.integers(0, 256, stored, dtype=np.uint8)
    path = write(tmp_path, "images-idx4-ubyte", pixels)
    data = Idx(str(path), size=shape[1:], channels=shape[0])  # type: ignore[arg-type]
    assert data.shape == shape
    expected = pixels if stored[1:] == shape else pixels.transpose(0, 3, 1, 2)
    assert np.array_equal(data.load().array, expected)
    with pytest.raises(DataError, match=rf"images of {shape[0]} channels; dataset\.channels={shape[0]} reads them"):
        Idx(str(path), size=shape[1:], channels=shape[0] + 1).load()  # type: ignore[arg-type]


def test_size_and_channels_are_those_of_the_file_unless_they_are_set(tmp_path: Path) -> None:
    path = write(tmp_path, "images-idx4-ubyte", np.zeros((40, 3, 32, 48), np.uint8))
    register()
    config = compose(["dataset=idx", f"dataset.path={path}", "architecture=mlp"]).config
    assert (list(config.dataset.size), config.dataset.channels) == ([32, 48], 3)
    assert planning.plan(config).dataset.shape == (3, 32, 48)
    assert config.train.batch_size == 16
    composed = compose(["dataset=idx", f"dataset.path={path}", "dataset.size=16", "architecture=mlp"])
    assert composed.config.dataset.size == 16
    assert planning.plan(composed.config).dataset.shape == (3, 16, 16)
    assert composed.chosen["dataset.channels"].reason == "images of the shape (3, 32, 48)"
    nowhere = compose(["dataset=idx", f"dataset.path={tmp_path / 'nothing'}"])
    assert (nowhere.config.dataset.size, nowhere.config.dataset.channels) == ("auto", "auto")


def test_images_are_resized(tmp_path: Path) -> None:
    path = write(tmp_path, "images-idx3-ubyte", np.full((3, 28, 28), 77, np.uint8))
    loaded = Idx(str(path), size=(12, 40)).load()
    assert loaded.array.shape == (3, 1, 12, 40)
    assert (loaded.array == 77).all()


def test_files_of_several_data_in_a_folder(tmp_path: Path) -> None:
    for name in ("emnist-letters", "emnist-digits"):
        write(tmp_path, f"{name}-train-images-idx3-ubyte", PIXELS)
    with pytest.raises(DataError, match=r"several data \(emnist-digits, emnist-letters\): dataset\.path=FILE"):
        Idx(str(tmp_path)).load()
    assert len(Idx(str(tmp_path / "emnist-letters-train-images-idx3-ubyte")).load().array) == 6


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((6, 28), np.uint8), r"shape \(6, 28\); expected images N x H x W"),
        (np.zeros(6, np.uint8), "expected images N x H x W"),
        (np.zeros((0, 28, 28), np.uint8), "expected images N x H x W"),
    ],
)
def test_arrays_that_are_no_images(array: np.ndarray, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, "images-idx3-ubyte", array)
    with pytest.raises(DataError, match=message):
        Idx(str(path)).load()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:5], "5 labels, but 6 images in images-idx3-ubyte"),
        (np.zeros((6, 8), np.uint8), "expected one label for each image"),
    ],
)
def test_wrong_labels(labels: np.ndarray, message: str, tmp_path: Path) -> None:
    write(tmp_path, "labels-idx1-ubyte", labels)
    path = write(tmp_path, "images-idx3-ubyte", PIXELS)
    with pytest.raises(DataError, match=message):
        Idx(str(path)).load()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no IDX files of images there"):
        Idx(str(tmp_path)).require_files()
    path = write(tmp_path, "images-idx3-ubyte", PIXELS)
    with pytest.raises(DataError, match=r"there is no file .*\. Did you mean 'images-idx3-ubyte'"):
        Idx(str(tmp_path / "image-idx3-ubyte")).require_files()
    with pytest.raises(DataError, match=r"dataset\.split=test, but no images there say test"):
        Idx(str(path), split=IdxSplit.test).load()
    path.write_bytes(idx_bytes(PIXELS)[:-3])
    with pytest.raises(DataError, match="truncated"):
        Idx(str(path)).load()
    path.write_bytes(b"\0\0\x08\3" + b"\x7f\xff\xff\xff" * 3)
    with pytest.raises(DataError, match="bytes of memory, more than"):
        Idx(str(path)).load()


def test_endless_padding_is_not_skipped_byte_by_byte(tmp_path: Path) -> None:
    path = write(tmp_path, "images-idx3-ubyte.gz", PIXELS)
    os.truncate(path, 2**28)
    with pytest.raises(DataError, match="its gzip data break off"):
        Idx(str(path)).load()


@pytest.mark.parametrize(("key", "value"), [("path", None), ("path", ""), ("size", 3), ("channels", 0)])
def test_wrong_values(key: str, value: object) -> None:
    with pytest.raises(InvalidValueError) as caught:
        Idx(**{"path": "x", key: value})  # type: ignore[arg-type]
    assert caught.value.key == key
