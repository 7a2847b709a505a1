"""Folders of a Hugging Face dataset that are not what they should be: each costs one line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gan_cli.errors import DataError
from tests.helpers.image_tables import COUNT, caches, dataset, table
from tests.helpers.image_trees import picture


@pytest.mark.parametrize("name", ["train.parquet", "train.jsonl", "train/a.png", "metadata.csv", "data.zip"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_folder_with_a_file_that_never_ends(
    library: object, folder: Path, root: Path, name: str, make: Callable[[Path], object]
) -> None:
    table(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    make(folder / name)
    with pytest.raises(DataError, match=rf"{name}: cannot be read \(not a regular file\)$"):
        dataset(folder, root).load()


@pytest.mark.parametrize("name", ["train-1.parquet", "train-1.jsonl", "metadata.csv"])
def test_sparse_file_costs_one_line(library: object, folder: Path, root: Path, name: str) -> None:
    table(folder)
    (folder / name).touch()
    os.truncate(folder / name, 100 * 2**30)
    with pytest.raises(DataError) as caught:
        dataset(folder, root).load()
    assert "\n" not in str(caught.value)


def test_run_below_the_data_is_not_learned(library: object, folder: Path, root: Path) -> None:
    table(folder)
    run = folder / "outputs" / "1"
    (run / ".hydra").mkdir(parents=True)
    (run / ".hydra" / "config.yaml").touch()
    with pytest.raises(DataError, match=r"outputs/1: a run directory below the data, .* move it, or the data$"):
        dataset(folder, root).load()


def test_classes_without_a_label_are_refused(library: object, folder: Path, root: Path) -> None:
    """-1 is how the hub marks the withheld labels of a test set."""
    features = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["a", "b"])})  # type: ignore[attr-defined]
    rows = {"image": [picture(0), picture(1)], "label": [1, -1]}
    folder.mkdir()
    library.Dataset.from_dict(rows, features=features).to_parquet(folder / "train.parquet")  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="row 1 has the label -1 in column 'label'; expected 0 to 1"):
        dataset(folder, root, label_column="label").load()


def test_damaged_and_empty_folders(library: object, folder: Path, root: Path) -> None:
    place = table(folder) / "train-00000-of-00001.parquet"
    place.write_bytes(place.read_bytes()[:-50])
    with pytest.raises(DataError, match="animals: cannot be read"):
        dataset(folder, root).load()
    place.unlink()
    with pytest.raises(DataError, match="animals: cannot be read"):
        dataset(folder, root).load()
    table(folder, image=[{"bytes": b"no image", "path": None}] * COUNT)
    with pytest.raises(DataError, match=r"animals: none of the 7 images can be decoded, first row 0 \("):
        dataset(folder, root).load()
    assert caches(root) == []
