"""``gan-report``: the settings by which rows are told apart and named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gan_cli.report.loading import read_run
from tests.conftest import Command
from tests.helpers.report_tables import records, table
from tests.helpers.run_directories import write_run


def test_what_a_group_implies_is_not_listed(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "a", loss="jsd")
    write_run(workplace / "b", loss="wgan", config={"ema": {"half_life": 9.0}})
    header = gan_report(".").out.splitlines()[0]
    assert header.startswith("| loss | seeds |")


def test_unchosen_settings_are_listed_where_nothing_else_distinguishes(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "a", config={"ema": {"half_life": 9.0}})
    write_run(workplace / "b", config={"ema": {"half_life": 50.0}})
    assert [row["ema.half_life"] for row in table(gan_report("."))] == ["9", "50"]


def test_cadence_and_place_of_data_make_no_other_experiment(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "a", seed=0, config={"train": {"steps": 100, "log_every": 10}})
    write_run(workplace / "b", seed=1, config={"train": {"steps": 100, "log_every": 20}})
    assert len(table(gan_report("."))) == 1


def test_runs_without_a_gans_loss_are_named_by_their_algorithm(gan_report: Command, workplace: Path) -> None:
    run = write_run(workplace / "run", figures={"loss/denoising": (0.5, 0.3)})
    choices = {"dataset": "ring8", "algorithm": "diffusion", "loss": "none"}
    (run / ".hydra" / "hydra.yaml").write_text(json.dumps({"runtime": {"choices": choices}}))
    (row,) = table(gan_report("run"))
    assert (row["algorithm"], row["dataset"]) == ("diffusion", "ring8")
    assert "loss" not in row
    assert gan_report("run", "--html", "page.html").status == 0
    assert "diffusion on ring8" in (workplace / "page.html").read_text()


def test_setting_that_stands_for_another_has_its_value(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "a", overrides=["optimizer.lr_g=1e-3"], config={"optimizer": {"lr": 2e-4, "lr_g": 1e-3}})
    write_run(workplace / "b")
    write_run(workplace / "c", seed=1, config={"optimizer": {"lr": 2e-4, "lr_g": "${optimizer.lr}"}})
    write_run(workplace / "d", seed=2, config={"optimizer": {"lr": 2e-4, "lr_g": 2e-4}})
    rows = table(gan_report("."))
    assert [(row["optimizer.lr_g"], row["seeds"]) for row in rows] == [("0.0002", "3"), ("0.001", "1")]


@pytest.mark.parametrize("text", ["${nowhere}", "${....lr}", "x ${.lr}", "${.lr}${.lr}"])
def test_what_stands_for_no_setting_is_shown_as_it_is(text: str, gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "a", config={"optimizer": {"lr": 2e-4, "lr_g": text}})
    write_run(workplace / "b", config={"optimizer": {"lr": 2e-4, "lr_g": 1.0}})
    assert {record["optimizer.lr_g"] for record in records(gan_report("--csv", "."))} == {text, "1"}


def test_several_options_of_a_group_are_named_and_none_is_none(gan_report: Command, workplace: Path) -> None:
    target = {"_target_": "gan_cli.components.regularizers.R1"}
    both = {"objective": None, "penalty": {"r1": target, "r2": target}}
    for name, penalty, loss in (("a", "[r1,r2]", both), ("b", "none", {"objective": None})):
        run = write_run(workplace / name, overrides=[f"loss/penalty={penalty}"], config={"loss": loss})
        choices = {"loss": "jsd", "experiment": None} | ({"loss/penalty": "none"} if penalty == "none" else {})
        (run / ".hydra" / "hydra.yaml").write_text(json.dumps({"runtime": {"choices": choices}}))
    assert sorted(row["loss/penalty"] for row in table(gan_report("."))) == ["none", "r1,r2"]
    assert read_run(workplace / "a", "a").options["experiment"] == "none"


def test_of_many_settings_the_rows_have_as_few_as_tell_them_apart(gan_report: Command, workplace: Path) -> None:
    """CSV has all of them, and the line below the table names the others."""
    keys = [f"a{number}" for number in range(6)]
    for run in range(4):
        values = {key: run if key == "a2" else run % 2 for key in keys}
        overrides = [f"train.{key}={value}" for key, value in values.items()]
        write_run(workplace / str(run), overrides=overrides, config={"train": values})
    done = gan_report(".")
    rows = table(done)
    assert [row["train.a2"] for row in rows] == ["0", "1", "2", "3"]
    assert not any(f"train.{key}" in rows[0] for key in keys if key != "a2")
    assert "which the rows are not named by: train.a0, train.a1, train.a3, train.a4 and train.a5" in done.out
    found = records(gan_report("--csv", "."))
    assert [record["group"] for record in found] == ["a2=0", "a2=1", "a2=2", "a2=3"]
    assert all(f"train.{key}" in found[0] for key in keys)
