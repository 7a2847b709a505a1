"""Folders of images whose labels stand in a table: which images have which label, whatever is left out."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli.data.image_layout import FolderSplit
from gan_cli.data.labels import LabelKind
from gan_cli.errors import DataError
from gan_cli.protocols.conditions import ConditionKind
from tests.helpers.image_trees import caches, dataset, reference, tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return tree(tmp_path / "images", "x/b.png", "x/a.png", "c.png", "y/d.png")


def labelled(images: Path, content: str) -> str:
    (images / "labels.csv").write_text(content)
    return "labels.csv"


def test_classes_of_a_table_take_the_place_of_folders(
    images: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    labels = labelled(images, "file,label\nx/a.png,cat\nx/b.png,dog\nc.png,emu\ny/d.png,cat\n")
    loaded = dataset(images, root, labels=labels).load()
    assert loaded.class_names == ("cat", "dog", "emu")
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [2, 0, 1, 0]  # c, x/a, x/b, y/d
    assert "4 files, one of 3 classes each: 'cat', 'dog', 'emu'; dataset.label_kind chooses" in caplog.text
    assert dataset(images, root).load().class_names == ("x", "y"), "without a table folders are classes"


def test_images_that_cannot_be_decoded_or_have_no_label_move_no_label(
    images: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (images / "x/a.png").write_bytes(b"no picture")
    labels = labelled(images, "file,age,angle\nx/a.png,1,0.5\nx/b.png,2,1.5\ny/d.png,4,2.5\n")
    expected = [reference(image) for image in map(Image.open, (images / "x/b.png", images / "y/d.png"))]
    for _ in range(2):  # the second time from the cache
        loaded = dataset(images, root, labels=labels).load()
        assert np.array_equal(loaded.array, np.stack(expected))
        assert loaded.vectors is not None
        assert loaded.vectors.values.tolist() == [[2, 1.5], [4, 2.5]]
        assert loaded.vectors.condition.kind is ConditionKind.numbers
        assert loaded.vectors.condition.ranges == ((2, 4), (1.5, 2.5))
        assert loaded.labels is None
    assert "1 of 4 images have no label, first c.png: left out" in caplog.text
    assert dataset(images, root, labels=labels).count_images() == 3
    with pytest.raises(DataError, match=r"1 of 4 images have no label, first c\.png"):
        dataset(images, root, labels=labels, strict=True).load()


def test_changed_labels_need_no_decoding(images: Path, root: Path) -> None:
    names = ("c.png", "x/a.png", "x/b.png", "y/d.png")
    first = dataset(images, root, labels=labelled(images, "".join(f"{n},{i}\n" for i, n in enumerate(names)))).load()
    (cache,) = caches(root)
    other = labelled(images, "".join(f"{n},{i / 2}\n" for i, n in enumerate(names)))
    second = dataset(images, root, labels=other).load()
    assert caches(root) == [cache]
    assert np.array_equal(first.array, second.array)
    assert first.labels is not None
    assert second.vectors is not None
    assert first.labels.tolist() == [0, 1, 2, 3]
    assert second.vectors.values.ravel().tolist() == [0, 0.5, 1, 1.5]


def test_table_of_both_parts(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = tree(tmp_path / "images", "train/a.png", "train/b.png", "test/c.png", "test/d.png")
    (tmp_path / "labels.json").write_text('{"a.png": ["u", "v"], "b.png": ["v"], "c.png": ["w"], "d.png": []}')
    monkeypatch.chdir(tmp_path)
    for split, values in ((FolderSplit.train, [[1, 1, 0], [0, 1, 0]]), (FolderSplit.test, [[0, 0, 1], [0, 0, 0]])):
        loaded = dataset(images, root, labels="labels.json", split=split).load()
        assert loaded.vectors is not None
        assert loaded.vectors.condition.names == ("u", "v", "w"), "of both parts"
        assert loaded.vectors.values.tolist() == values


def test_mistakes(images: Path, root: Path) -> None:
    with pytest.raises(DataError, match=r"dataset\.labels: there is no file none\.csv, neither in"):
        dataset(images, root, labels="none.csv").load()
    with pytest.raises(DataError, match=r"there is no file 'x/aa\.png'\. Did you mean 'x/a\.png'\?"):
        dataset(images, root, labels=labelled(images, "x/aa.png,1\n")).load()
    with pytest.raises(DataError, match=r"dataset\.label_kind=several or numbers takes them"):
        dataset(images, root, labels=labelled(images, "c.png,1,2\n"), label_kind=LabelKind.classes).load()
    assert not root.exists(), "nothing is decoded"
