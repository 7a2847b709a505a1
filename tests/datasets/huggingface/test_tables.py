"""Hugging Face datasets: real parquet files read by the real library, in order, with labels, and cached."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gan_cli.errors import DataError
from tests.conftest import Command
from tests.helpers.image_tables import COUNT, SIZE, caches, dataset, encoded, expected, table
from tests.helpers.image_trees import picture


@pytest.mark.parametrize("column", ["image", "file"])
@pytest.mark.parametrize("channels", [1, 3])
def test_parquet_files_are_read_in_order(library: object, folder: Path, root: Path, column: str, channels: int) -> None:
    table(folder)
    data = dataset(folder, root, column=column, channels=channels)
    images = data.load()
    assert images.array.shape == (COUNT, *data.shape)
    assert np.array_equal(images.array, expected(mode="L" if channels == 1 else "RGB"))
    assert (images.labels, data.classes) == (None, 0)


def test_the_librarys_own_images_and_classes(library: object, folder: Path, root: Path) -> None:
    """A column of images and one of classes, as the library writes them."""
    features = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["z", "y", "x"])})  # type: ignore[attr-defined]
    rows = {"image": [picture(seed, 20, 24) for seed in range(COUNT)], "label": [2, 0, 2, 2, 0, 2, 2]}
    written = library.Dataset.from_dict(rows, features=features)  # type: ignore[attr-defined]
    folder.mkdir()
    written.to_parquet(folder / "train.parquet")
    images = dataset(folder, root, label_column="label").load()
    assert np.array_equal(images.array, expected())
    assert images.labels is not None
    assert images.labels.dtype == np.int64
    assert images.labels.tolist() == rows["label"]


def test_several_files_and_splits(library: object, folder: Path, root: Path) -> None:
    table(folder, "train-00000-of-00002.parquet")
    table(folder, "train-00001-of-00002.parquet", count=3)
    table(folder, "test-00000-of-00001.parquet", count=2)
    assert np.array_equal(dataset(folder, root).load().array, np.concatenate([expected(), expected(3)]))
    assert np.array_equal(dataset(folder, root, split="test").load().array, expected(2))


@pytest.mark.parametrize(
    ("column", "labels"),
    [("label", [0, 2, 1, 0, 2, 1, 0]), ("animal", [1, 0, 2, 1, 0, 2, 1])],
    ids=["numbers", "words"],
)
def test_labels_are_numbered_in_their_order(
    library: object, folder: Path, root: Path, column: str, labels: list[int]
) -> None:
    data = dataset(table(folder), root, label_column=column)
    assert data.classes is None
    for _ in range(2):  # the second time from the cache
        images = data.load()
        assert images.labels is not None
        assert images.labels.tolist() == labels


def test_second_load_decodes_nothing_but_a_change_makes_another_cache(
    library: object, folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(folder)
    first = dataset(folder, root).load()
    with monkeypatch.context() as patched:
        patched.setattr("gan_cli.data.image_decoding.decode", None)
        second = dataset(folder, root).load()
    assert isinstance(second.array, np.memmap)
    assert np.array_equal(first.array, second.array)
    dataset(folder, root, size=SIZE + 1).load()
    dataset(folder, root, column="file").load()
    table(folder, count=3)
    assert len(dataset(folder, root).load().array) == 3
    assert len(caches(root)) == 4


def test_images_that_cannot_be_decoded(
    library: object, folder: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Damaged, missing, and a path that leads out of the dataset."""
    (folder.parent / "secret.png").write_bytes(encoded(9))
    images = [{"bytes": encoded(seed), "path": None} for seed in range(COUNT)]
    images[1] = {"bytes": b"no image", "path": "1.png"}
    images[3] = {"bytes": None, "path": str(folder.parent / "secret.png")}
    images[4] = None  # type: ignore[call-overload]
    table(folder, image=images)
    loaded = dataset(folder, root, label_column="label").load()
    assert np.array_equal(loaded.array, expected()[[0, 2, 5, 6]])
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [0, 1, 1, 0]
    assert "left out 3 of 7 images that cannot be decoded, first row 1 (no PNG" in caplog.text
    with pytest.raises(DataError, match=r"animals: row 1: cannot be decoded \(no PNG.*dataset.strict=false"):
        dataset(folder, root, strict=True).load()


def test_paths_within_the_dataset_are_read(library: object, folder: Path, root: Path) -> None:
    """A folder of files with a table of their names, as the library's "imagefolder" has it."""
    (folder / "train").mkdir(parents=True)
    for seed in range(3):
        (folder / "train" / f"{seed}.png").write_bytes(encoded(seed))
    lines = [f'{{"file_name": "{seed}.png", "kind": "k{seed % 2}"}}' for seed in range(3)]
    (folder / "train" / "metadata.jsonl").write_text("\n".join(lines))
    loaded = dataset(folder, root, label_column="kind").load()
    assert np.array_equal(loaded.array, expected(3))
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [0, 1, 0]


def test_it_trains(library: object, folder: Path, gan_train: Command) -> None:
    table(folder)
    done = gan_train(
        "dataset=huggingface",
        f"dataset.name={folder}",
        "dataset.size=8",
        "architecture=mlp",
        "train.steps=2",
        "train.batch_size=4",
        "train.sample_count=4",
        "train.log_every=1",
    )
    assert done.status == 0, done.err
