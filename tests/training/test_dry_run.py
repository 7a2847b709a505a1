"""A dry run looks for the files that the user names, and reads none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import SHORT, Command
from tests.helpers.image_folder import make_folder

DATA = {
    "dataset=image_folder": "dataset.path=nowhere",
    "dataset=text": "dataset.path=nowhere.txt",
    "dataset=huggingface": "dataset.name=./nowhere",
}


@pytest.mark.parametrize("dataset", DATA)
def test_missing_files_end_a_dry_run_as_they_end_a_run(dataset: str, gan_train: Command, workplace: Path) -> None:
    algorithm = ["algorithm=seqgan"] if dataset == "dataset=text" else []
    dry = gan_train(dataset, DATA[dataset], *algorithm, "dry_run=true")
    assert (dry.status, dry.out) == (3, "")
    assert "nowhere" in dry.err
    assert list(workplace.iterdir()) == []
    if dataset != "dataset=huggingface":  # which needs a package first
        run = gan_train(dataset, DATA[dataset], *algorithm, *SHORT)
        assert (run.status, run.err.splitlines()[-1]) == (3, dry.err.splitlines()[-1])


def test_files_are_not_read(gan_train: Command, workplace: Path) -> None:
    (workplace / "photos").mkdir()
    for number in range(4):
        (workplace / "photos" / f"broken{number}.png").write_bytes(b"no picture")
    assert gan_train("dataset=image_folder", "dataset.path=photos", "dry_run=true").status == 0


def test_folder_without_images_is_rejected_as_by_the_run(gan_train: Command, workplace: Path) -> None:
    (workplace / "photos").mkdir()
    run, dry = (gan_train("dataset=image_folder", "dataset.path=photos", f"dry_run={dry}") for dry in (False, True))
    assert (dry.status, dry.err.splitlines()[-1]) == (3, run.err.splitlines()[-1])
    assert "no images there" in dry.err


def test_batch_larger_than_the_folder_is_rejected_as_by_the_run(gan_train: Command, workplace: Path) -> None:
    """The run rejects it before it trains a classifier."""
    make_folder(workplace / "photos", 40)
    command = ["dataset=image_folder", "dataset.path=photos", "train.batch_size=41", "train.eval_every=1"]
    run, dry = (gan_train(*command, f"dry_run={dry}") for dry in (False, True))
    line = "gan-train: train.batch_size: expected at most the 40 samples to train on, got 41"
    assert (run.status, run.err.splitlines()[-1]) == (dry.status, dry.err.splitlines()[-1]) == (2, line)
    assert "classifier" not in run.err


def test_folder_of_few_images_is_trained_on_by_default(gan_train: Command, workplace: Path) -> None:
    make_folder(workplace / "photos", 40)
    done = gan_train("dataset=image_folder", "dataset.path=photos", "train.steps=1")
    assert done.status == 0, done.err
    assert "train.batch_size=16" in done.err
