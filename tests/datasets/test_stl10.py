"""STL-10's binary distribution: small files of the same kind."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from PIL import Image

from gan_cli.datasets.stl10 import Stl10, Stl10Split
from gan_cli.errors import DataError, InvalidValueError
from gan_cli.evaluation.real_data import find_test_split
from tests.datasets.test_cifar import packed
from tests.helpers.mirrors import Mirror

ARCHIVE, FOLDER = "stl10_binary.tar.gz", "stl10_binary"
COUNTS = {"train": 3, "test": 2, "unlabeled": 4}
PIXELS = {
    part: np.random.default_rng(seed).integers(0, 256, (count, 3, 96, 96), dtype=np.uint8)
    for seed, (part, count) in enumerate(COUNTS.items())
}
LABELS = {"train": [10, 1, 4], "test": [2, 2]}
# Images are stored column by column; labels begin at 1.
FILES = {
    **{f"{part}_X.bin": np.ascontiguousarray(pixels.swapaxes(2, 3)).tobytes() for part, pixels in PIXELS.items()},
    **{f"{part}_y.bin": bytes(labels) for part, labels in LABELS.items()},
}
CONTENT = packed([(f"{FOLDER}/{name}", content) for name, content in {"class_names.txt": b"x", **FILES}.items()])


class Small(Stl10):
    """A few images, like STL-10 in everything else."""

    counts = MappingProxyType(COUNTS)
    archive_bytes = len(CONTENT)
    archive_checksum = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    checksums = MappingProxyType(
        {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in FILES.items()}
    )


def put(root: Path, archived: bool) -> Path:
    folder = root / FOLDER
    folder.mkdir(parents=True)
    if archived:
        (root / ARCHIVE).write_bytes(CONTENT)
    for name, content in {} if archived else FILES.items():
        (folder / name).write_bytes(content)
    return folder


for_archives = pytest.mark.parametrize("archived", [True, False])


@for_archives
@pytest.mark.parametrize("split", Stl10Split)
@pytest.mark.parametrize("place", ["stl10", ""])
def test_each_split(archived: bool, split: Stl10Split, place: str, tmp_path: Path) -> None:
    put(tmp_path / place, archived) if place else put(tmp_path, archived)
    data = Small(str(tmp_path), (), split)
    loaded = data.load()
    assert np.array_equal(loaded.array, PIXELS[split.value])
    if split is Stl10Split.unlabeled:
        assert data.classes == 0
        assert (loaded.labels, loaded.class_names) == (None, ())
        return
    assert data.classes == 10
    assert loaded.labels is not None
    assert (loaded.labels + 1).tolist() == LABELS[split.value]
    assert loaded.class_names[9] == "truck"


@for_archives
def test_images_are_resized_as_pillow_does_it(archived: bool, tmp_path: Path) -> None:
    put(tmp_path / "stl10", archived)
    data = Small(str(tmp_path), (), size=48)
    loaded = data.load()
    assert data.shape == (3, 48, 48)
    for picture, stored in zip(loaded.array, PIXELS["train"], strict=True):
        image = Image.fromarray(stored.transpose(1, 2, 0)).resize((48, 48), Image.Resampling.BILINEAR)
        assert np.array_equal(picture.transpose(1, 2, 0), np.asarray(image))


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / "stl10", archived=False)
    changed = FILES["train_X.bin"][:-1] + b"x"
    for content, message in (
        (changed, r"train_X\.bin: its content has MD5 [0-9a-f]{32}, expected"),
        (changed[:-1], f"truncated: {len(changed) - 1} bytes, expected {len(changed)}"),
    ):
        (folder / "train_X.bin").write_bytes(content)
        with pytest.raises(DataError, match=message):
            Small(str(tmp_path), ()).load()
    (folder / "train_X.bin").unlink()
    with pytest.raises(DataError, match=r"without train_X\.bin; expected train_X\.bin, train_y\.bin"):
        Small(str(tmp_path), ()).load()


@pytest.mark.parametrize(
    "content",
    [CONTENT[: len(CONTENT) // 2], gzip.compress(b"x" * 9999), packed([(f"{FOLDER}/train_X.bin", b"x")]), packed([])],
    ids=["cut", "no archive", "another file", "empty"],
)
def test_wrong_archives_are_refused(content: bytes, tmp_path: Path) -> None:
    class Other(Small):
        archive_bytes = len(content)
        archive_checksum = hashlib.md5(content, usedforsecurity=False).hexdigest()

    put(tmp_path / "stl10", archived=True)
    (tmp_path / "stl10" / ARCHIVE).write_bytes(content)
    with pytest.raises(DataError, match=r"expected|stays as it is"):
        Small(str(tmp_path), ()).load()
    with pytest.raises(DataError, match=r"damaged|expected one file|without"):
        Other(str(tmp_path), ()).load()


def test_labels_beyond_the_classes(tmp_path: Path) -> None:
    folder = put(tmp_path / "stl10", archived=False)
    (folder / "train_y.bin").write_bytes(b"\x0b\x01\x01")

    class Other(Small):
        checksums = MappingProxyType(
            {**Small.checksums, "train_y.bin": hashlib.md5(b"\x0b\x01\x01", usedforsecurity=False).hexdigest()}
        )

    with pytest.raises(DataError, match="labels from 1 to 11; expected 1 to 10"):
        Other(str(tmp_path), ()).load()


def test_it_is_downloaded_once(tmp_path: Path, mirrors: list[Mirror]) -> None:
    mirrors[0].answers = {f"/data/{ARCHIVE}": (200, CONTENT)}
    for _ in range(2):
        assert len(Small(str(tmp_path), (mirrors[0].url,)).load().array) == 3
    assert mirrors[0].asked == [f"/data/{ARCHIVE}"]
    with pytest.raises(DataError, match=f"Put {ARCHIVE} .or the folder {FOLDER} unpacked from it. into"):
        Small(str(tmp_path / "other"), ()).load()


def test_parts_and_ranges() -> None:
    assert find_test_split(Stl10("r", (), size=32)) == Stl10("r", (), Stl10Split.test, 32)
    assert find_test_split(Stl10("r", (), Stl10Split.unlabeled)) is None
    assert Stl10("r", (), Stl10Split.unlabeled).num_bytes == 100_000 * 3 * 96 * 96
    for key, value in (("size", 7), ("root", ""), ("mirrors", ("ftp://x",))):
        with pytest.raises(InvalidValueError) as caught:
            Stl10(**{"root": "r", "mirrors": (), key: value})  # type: ignore[arg-type]
        assert caught.value.key == key
