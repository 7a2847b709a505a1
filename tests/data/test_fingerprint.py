"""A run continues with the data that it began with, unless others are allowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gan_cli.data.fingerprint import data_identity, reject_changed_data
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.errors import DataError
from gan_cli.protocols.data import Images
from tests.conftest import SHORT, TINY, Command
from tests.helpers.image_folder import make_folder


def refused(before: Images, now: Images) -> str:
    with pytest.raises(DataError) as error:
        reject_changed_data(data_identity(before), data_identity(now))
    return str(error.value)


def test_any_change_of_a_pixel_a_label_or_the_order_is_another_set() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), dtype=np.uint8)
    data, changed, labels = Images(pixels, np.arange(20)), pixels.copy(), np.arange(20)
    reject_changed_data(data_identity(data), data_identity(Images(pixels.copy(), labels.copy())))
    changed[7, 0, 3, 3] ^= 1
    labels[3] = 0
    for other in (Images(changed, np.arange(20)), Images(pixels, labels), Images(pixels[::-1], np.arange(20))):
        assert "20 images then and now, but their contents differ" in refused(data, other)
    assert "20 images then, 19 now" in refused(data, Images(pixels[:19], np.arange(19)))


def test_points_from_a_formula_and_unknown_data_are_not_compared() -> None:
    assert data_identity(Ring().load()) is None
    reject_changed_data(None, data_identity(Images(np.zeros((1, 1, 8, 8), np.uint8))))


def test_run_refuses_other_data_unless_they_are_allowed(gan_train: Command, workplace: Path) -> None:
    folder = make_folder(workplace / "photos", 12)
    wanted = ("dataset=image_folder", f"dataset.path={folder}", "dataset.size=16", *TINY, *SHORT)
    assert gan_train(*wanted, "hydra.run.dir=run").status == 0
    assert gan_train("resume=run", "train.steps=3").status == 0, "the same data"
    (folder / "class_0" / "0.jpg").unlink()

    kept = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    done = gan_train("resume=run", "train.steps=4")
    assert done.status == 3
    assert done.err.splitlines()[-1] == (
        "gan-train: the data are not those that this run began with (12 images then, 11 now):"
        " train.allow_changed_data=true continues, but the result will differ from an uninterrupted run"
    )
    assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == kept

    done = gan_train("resume=run", "train.steps=4", "train.allow_changed_data=true")
    assert done.status == 0, done.err
    assert done.err.count("12 images then, 11 now") == 1
    assert "12 images then" in Path("run/train.log").read_text()
    done = gan_train("resume=run", "train.steps=5")
    assert done.status == 0, "these are the data of the run from now on"
    assert "images then" not in done.err


def test_checkpoint_of_an_older_version_resumes(gan_train: Command, workplace: Path) -> None:
    assert gan_train(*TINY, *SHORT, "hydra.run.dir=run").status == 0
    last = Path("run/checkpoints/last.pt")
    state = torch.load(last, weights_only=True)
    assert state.pop("data")["images"] == 1797
    torch.save(state, last)
    assert gan_train("resume=run", "train.steps=3").status == 0
