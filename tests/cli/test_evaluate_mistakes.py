"""gan-eval: whatever its user gets wrong costs one line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import SHORT, TINY, Command, FinishedRun
from tests.helpers.image_folder import make_folder


@pytest.fixture
def digits(finished_run: FinishedRun) -> Path:
    return finished_run("run", *SHORT, *TINY)


@pytest.fixture
def ring(finished_run: FinishedRun) -> Path:
    return finished_run("ring", *SHORT, "dataset=ring8")


def save(name: str, array: Any) -> str:
    np.save(name, array, allow_pickle=True)
    return name


FAULTS = {
    "no run": (("nowhere",), "there is no folder 'nowhere'"),
    "few": (("run", "--n", 9), "--n: expected an integer from 10 to 100,000, got 9"),
    "many": (("run", "--n", 10**12), "--n: expected an integer from 10 to 100,000, got 1000000000000"),
    "no number": (("run", "--n", "many"), "--n: expected an integer from 10 to 100,000, got many"),
    "long number": (("run", "--n", "9" * 5000), "--n: expected an integer from 10 to 100,000, got 999"),
    "seed": (("run", "--seed", -1), "--seed: expected an integer from 0 to 9,223,372,036,854,775,807, got -1"),
    "huge seed": (
        ("run", "--seed", 2**63),
        "--seed: expected an integer from 0 to 9,223,372,036,854,775,807, got 9223",
    ),
    "likelihood": (("run", "--likelihood", 1), "--likelihood: expected 0 or an integer from 2 to 100,000, got 1"),
    "below nothing": (("run", "--likelihood", -5), "--likelihood: expected an integer from 0 to 100,000, got -5"),
    "below a file": (("run", "--neighbours", "text.npy/a.png"), "--neighbours: expected a folder, got 'text.npy'"),
    "a folder": (("run", "--neighbours", "folder.png"), "--neighbours: expected a file, got 'folder.png'"),
    "picture": (("run", "--neighbours", "a.txt"), "--neighbours: expected a name that ends in .png"),
    "weights alone": (("run", "--weights", "w.pth"), "--weights: these are Inception's; add --backbone inception"),
    "package": (("run", "--backbone", "inception"), "pip install 'gan-cli[fid]'"),
    "no file": (("run", "--samples", "no.npy"), "--samples: no.npy cannot be read (No such file or directory)"),
    "folder": (("run", "--samples", "run"), "--samples: run has no pictures; looked for .png"),
    "text": (("run", "--samples", "text.npy"), "--samples: text.npy is no array of numbers"),
    "objects": (("run", "--samples", "objects.npy"), "--samples: objects.npy is no array of numbers"),
    "words": (("run", "--samples", "words.npy"), "--samples: words.npy is no array of numbers"),
    "shape": (("run", "--samples", "shape.npy"), "expected an array of shape (N, 1, 8, 8), got (20, 8, 8)"),
    "no range": (("run", "--samples", "range.npy"), "values from 0 to 16 in range.npy are no images"),
    "other range": (("run", "--samples", "range.npy", "--range", -1, 1), "a range that holds 0 to 16"),
    "turned range": (("run", "--samples", "range.npy", "--range", 1, 0), "the lower first, got 1 0"),
    "endless range": (("run", "--samples", "range.npy", "--range", 0, "inf"), "--range: expected a number > "),
    "range of the run": (("run", "--range", 0, 1), "--range: expected with --samples alone"),
    "range of points": (("ring", "--samples", "points.npy", "--range", 0, 1), "--range: this run learned points"),
    "nan": (("run", "--samples", "nan.npy"), "holds numbers that are not finite"),
    "few samples": (("run", "--samples", "few.npy"), "expected 10 samples or more, got 9"),
    "more": (("run", "--samples", "good.npy", "--n", 21), "--n: expected 20 at most"),
    "raw file": (("run", "--samples", "good.npy", "--no-ema"), "--no-ema: expected without --samples"),
    "points": (("ring", "--neighbours", "a.png"), "--neighbours: this run learned points"),
    "no labels": (("ring", "--backbone", "classifier"), "backbone classifier: Ring has no classes"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_mistake_costs_one_line(fault: str, digits: Path, ring: Path, gan_eval: Command) -> None:
    Path("text.npy").write_text("text")
    save("objects.npy", np.array([{}, {}]))
    save("words.npy", np.array(["a", "b"]))
    save("shape.npy", np.zeros((20, 8, 8), np.float32))
    save("range.npy", np.linspace(0, 16, 20 * 64, dtype=np.float32).reshape(20, 1, 8, 8))
    save("points.npy", np.zeros((20, 2)))
    save("nan.npy", np.full((20, 1, 8, 8), np.nan, np.float32))
    save("few.npy", np.zeros((9, 1, 8, 8), np.float32))
    Path("folder.png").mkdir()
    save("good.npy", np.zeros((20, 1, 8, 8), np.float32))
    arguments, words = FAULTS[fault]
    done = gan_eval(*arguments)
    assert done.status == 2, done.err
    assert words in done.err
    assert len(done.err.splitlines()) == 1, done.err
    assert done.out == ""
    assert not (digits / "evaluation.json").exists()


def test_unknown_backbone_is_refused(digits: Path, gan_eval: Command) -> None:
    done = gan_eval(digits, "--backbone", "vgg")
    assert done.status == 2
    assert "vgg" in done.err.splitlines()[-1]
    assert "classifier" in done.err.splitlines()[-1]


def test_few_data_are_refused(gan_train: Command, gan_eval: Command, workplace: Path) -> None:
    folder = make_folder(workplace / "pictures", 12)
    assert gan_train(*SHORT, *TINY, "dataset=image_folder", f"dataset.path={folder}", "hydra.run.dir=run").status == 0
    done = gan_eval("run", "--backbone", "pixels")
    assert done.status == 2
    assert done.err.splitlines()[-1].startswith("gan-eval: evaluation takes at least 20 training samples; these data")


def test_run_without_checkpoint(digits: Path, gan_eval: Command) -> None:
    shutil.rmtree(digits / "checkpoints")
    done = gan_eval(digits)
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert "no checkpoint" in done.err
