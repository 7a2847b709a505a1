"""A dry run looks for the files that the user names, and reads none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import SHORT, Command

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
    (workplace / "photos" / "broken.png").write_bytes(b"no picture")
    assert gan_train("dataset=image_folder", "dataset.path=photos", "dry_run=true").status == 0
