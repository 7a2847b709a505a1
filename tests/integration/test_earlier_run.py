"""A run directory that a version before the modules moved has written: everything can still be done with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.golden.recording import load, record
from tests.golden.test_golden import assert_same_run

KEPT = Path(__file__).parent.parent / "golden" / "earlier_run"
MAX_BYTES = 200_000


@pytest.fixture
def earlier(workplace: Path) -> Path:
    """A copy of the run, which ended at step 6."""
    return Path(shutil.copytree(KEPT, workplace / "earlier" / "run"))


def test_the_kept_run_is_small_and_holds_the_former_names() -> None:
    assert sum(file.stat().st_size for file in KEPT.rglob("*")) <= MAX_BYTES
    config = (KEPT / ".hydra" / "config.yaml").read_text()
    assert "gan_cli.losses.Wasserstein" in config
    assert "gan_cli.components" not in config


def test_it_is_resumed_as_the_earlier_version_would_have(earlier: Path, gan_train: Command) -> None:
    done = gan_train(f"resume={earlier}", "train.steps=12")
    assert done.status == 0, done.err
    assert json.loads((earlier / "summary.json").read_text())["step"] == 12
    assert_same_run(load("earlier_run_resumed"), record(earlier))


def test_it_is_sampled(earlier: Path, gan_sample: Command) -> None:
    done = gan_sample(earlier, "--n", 4, "--out", "grid.png")
    assert done.status == 0, done.err
    assert Path("grid.png").is_file()


def test_it_is_evaluated(earlier: Path, gan_eval: Command) -> None:
    done = gan_eval(earlier, "--backbone", "pixels", "--n", 64)
    assert done.status == 0, done.err
    assert json.loads((earlier / "evaluation.json").read_text())["figures"]


def test_it_is_exported(earlier: Path, gan_export: Command) -> None:
    done = gan_export(earlier, "--format", "torch")
    assert done.status == 0, done.err


def test_it_is_reported_beside_a_new_run_of_the_same_settings(
    earlier: Path, gan_train: Command, gan_report: Command
) -> None:
    overrides = [line[2:] for line in (KEPT / ".hydra" / "overrides.yaml").read_text().splitlines()]
    same = [override.strip("'") for override in overrides if not override.startswith(("hydra.", "seed="))]
    assert gan_train(*same, "hydra.run.dir=new").status == 0
    done = gan_report(earlier, "new")
    assert done.status == 0, done.err
    assert "_target_" not in done.out + done.err
    assert "wasserstein" in done.out
