"""Recipes of claims, benchmarks and comparisons: found by ``--config-dir`` alone, each trains, and can be resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.recipes import CONF_DIR, EXPERIMENT_DIR
from tests.conftest import SHORT, Command
from tests.helpers.options import small

NAMES = sorted(file.stem for file in EXPERIMENT_DIR.glob("*.yaml"))
KINDS = {"claim", "bench", "versus"}


def test_every_kind_is_there_and_the_folder_holds_nothing_else() -> None:
    assert {name.partition("_")[0] for name in NAMES} == KINDS
    assert {file.parent for file in CONF_DIR.rglob("*") if file.is_file()} == {EXPERIMENT_DIR}


@pytest.mark.parametrize("name", NAMES)
def test_recipe_trains(name: str, gan_train: Command, workplace: Path) -> None:
    option = f"experiment={name}"
    made_small = small(option, workplace, CONF_DIR)
    done = gan_train("--config-dir", CONF_DIR, option, *made_small, *SHORT, "hydra.run.dir=run")
    assert done.status == 0, done.err
    summary = json.loads(Path("run/summary.json").read_text())
    assert (summary["status"], summary["step"]) == ("completed", 2)


@pytest.mark.parametrize("name", NAMES)
def test_recipe_survives_a_dry_run_that_writes_nothing(name: str, gan_train: Command, workplace: Path) -> None:
    done = gan_train("--config-dir", CONF_DIR, f"experiment={name}", "dry_run=true")
    assert done.status == 0, done.err
    assert "parameters" in done.out
    assert list(workplace.iterdir()) == []


def test_help_names_them_only_with_their_folder(gan_train: Command) -> None:
    plain = gan_train("--help", "experiment").out.split()
    added = gan_train("--config-dir", CONF_DIR, "--help", "experiment").out.split()
    assert "wgan_mnist" in plain
    assert not set(NAMES) & set(plain)
    assert {"wgan_mnist", *NAMES} < set(added)


def test_run_of_a_recipe_resumes_with_the_folder_and_is_rejected_in_one_line_without(
    gan_train: Command, workplace: Path
) -> None:
    recipe = ("experiment=claim_jsd_saturates_jsd", *small("experiment=claim_jsd_saturates_jsd", workplace, CONF_DIR))
    assert gan_train("--config-dir", CONF_DIR, *recipe, *SHORT, "hydra.run.dir=run").status == 0
    done = gan_train("resume=run", "train.steps=3")
    assert done.status == 2
    (line,) = done.err.splitlines()
    wanted = f"gan-train: the run was started with --config-dir {CONF_DIR}, which it needs: experiment=claim_jsd"
    assert line.startswith(wanted)
    done = gan_train("--config-dir", CONF_DIR, "resume=run", "train.steps=3")
    assert done.status == 0, done.err
    assert json.loads(Path("run/summary.json").read_text())["step"] == 3


def test_gan_bench_takes_them(gan_bench: Command) -> None:
    done = gan_bench("--config-dir", CONF_DIR, "experiment=bench_mlp_wgan", "dry_run=true")
    assert done.status == 0, done.err
    assert "D steps per G step: 5" in done.out


def test_a_sweep_takes_them(gan_train: Command, workplace: Path) -> None:
    recipes = "experiment=claim_jsd_saturates_jsd,claim_jsd_saturates_wgan"
    done = gan_train("-m", "--config-dir", CONF_DIR, recipes, *SHORT, "hydra.sweep.dir=sweep")
    assert done.status == 0, done.err
    assert len(list(workplace.glob("sweep/*/summary.json"))) == 2
