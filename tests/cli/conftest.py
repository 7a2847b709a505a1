"""What files on gan-eval share: runs on digits and on the ring, and a data root with a classifier."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import SHORT, TINY, FinishedRun


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, digits_root: Path) -> Path:
    """A data root for the tests of one file, with the classifier of the digits."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(digits_root, root, dirs_exist_ok=True)
    return root


@pytest.fixture
def digits(finished_run: FinishedRun, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run on digits, whose samples are next to noise."""
    monkeypatch.setenv("GAN_DATA", str(root))
    return finished_run("run", *SHORT, *TINY, "seed=3")


@pytest.fixture
def ring(finished_run: FinishedRun) -> Path:
    return finished_run("ring", *SHORT, "dataset=ring8", "dataset.radius=7")
