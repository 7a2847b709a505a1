"""gan-eval on several runs: sweeps and folders, what is skipped, what fails, and how that ends."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from gan_cli.cli import evaluation_progress
from gan_cli.cli.evaluation_progress import EvaluationProgress
from tests.conftest import SHORT, Command, FinishedRun

FEW = ("--n", 40)


@pytest.fixture
def sweep(finished_run: FinishedRun, workplace: Path) -> Path:
    """Two completed runs on the ring."""
    for seed in (0, 1):
        finished_run(f"sweep/seed={seed}", *SHORT, "dataset=ring8", f"seed={seed}")
    return Path("sweep")


def set_status(run: Path, status: str) -> None:
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**summary, "status": status}))


def test_all_completed_runs_of_a_sweep_are_measured(sweep: Path, finished_run: FinishedRun, gan_eval: Command) -> None:
    set_status(finished_run("sweep/seed=2", *SHORT, "dataset=ring8", "seed=0"), "interrupted")
    done = gan_eval(sweep, *FEW)
    assert done.status == 0, done.err
    header, *rows = (line.split() for line in done.out.splitlines())
    assert header[:2] == ["run", "step"]
    assert [row[:2] for row in rows] == [["seed=0", "2"], ["seed=1", "2"]]
    assert "frechet/pixels" in header
    assert "[1 of 2] seed=0: " in done.err
    assert "[2 of 2] seed=1: " in done.err
    assert "sweep: left out 1 run interrupted; a run that is named itself is measured in any state" in done.err
    assert (sweep / "seed=0/evaluation.json").exists()
    assert not (sweep / "seed=2/evaluation.json").exists()


def test_runs_measured_one_by_one_and_together_are_equal(sweep: Path, gan_eval: Command) -> None:
    """Runs on the same data share an evaluator."""
    assert gan_eval(sweep, *FEW).status == 0
    together = json.loads((sweep / "seed=1/evaluation.json").read_text())
    alone = json.loads(gan_eval(sweep / "seed=1", *FEW, "--json").out)
    assert alone == together


def test_a_run_that_is_named_itself_is_measured_in_any_state(sweep: Path, gan_eval: Command) -> None:
    for run in sweep.iterdir():
        set_status(run, "interrupted")
    done = gan_eval(sweep / "seed=0", sweep / "seed=1", *FEW)
    assert done.status == 0, done.err
    assert len(done.out.splitlines()) == 3
    nothing = gan_eval(sweep, *FEW)
    assert nothing.status == 2
    assert nothing.err == "gan-eval: no completed run in 'sweep': 2 runs interrupted\n"


def test_runs_measured_with_the_same_options_are_skipped(sweep: Path, gan_eval: Command) -> None:
    first = gan_eval(sweep, *FEW)
    times = [file.stat().st_mtime_ns for file in sorted(sweep.glob("*/evaluation.json"))]
    second = gan_eval(sweep, *FEW)
    assert second.out == first.out
    assert second.err == "gan-eval: 2 of 2 runs measured with the same options before (--again: anew)\n"
    assert [file.stat().st_mtime_ns for file in sorted(sweep.glob("*/evaluation.json"))] == times
    again = gan_eval(sweep, *FEW, "--again")
    assert again.out == first.out
    assert "[2 of 2]" in again.err
    other = gan_eval(sweep, "--n", 41)
    assert "[2 of 2]" in other.err


@pytest.mark.parametrize("key", ["figures", "samples", "seed", "generator", "versions", "options"])
def test_a_damaged_evaluation_is_measured_anew(key: str, sweep: Path, gan_eval: Command) -> None:
    first = gan_eval(sweep, *FEW)
    file = sweep / "seed=0/evaluation.json"
    whole = file.read_text()
    file.write_text(json.dumps({**json.loads(whole), key: [3]}))
    assert gan_eval(sweep, *FEW).out == first.out
    assert file.read_text() == whole


def test_a_run_trained_on_since_is_measured_anew(sweep: Path, gan_eval: Command, gan_train: Command) -> None:
    gan_eval(sweep, *FEW)
    assert gan_train(f"resume={sweep / 'seed=0'}", "train.steps=3").status == 0
    done = gan_eval(sweep, *FEW, "--json")
    assert "1 of 2 runs measured with the same options before" in done.err
    assert [entry["generator"]["step"] for entry in json.loads(done.out)] == [3, 2]


def test_a_run_that_fails_costs_a_line_and_the_others_go_on(sweep: Path, gan_eval: Command) -> None:
    shutil.rmtree(sweep / "seed=0/checkpoints")
    done = gan_eval(sweep, *FEW)
    assert done.status == 2
    (line,) = [line for line in done.err.splitlines() if "not measured" in line]
    assert line.startswith("[1 of 2] seed=0: not measured: no checkpoint in sweep/seed=0/checkpoints")
    assert [line.split()[0] for line in done.out.splitlines()] == ["run", "seed=1"]


def test_runs_as_json_and_csv(sweep: Path, gan_eval: Command) -> None:
    entries = json.loads(gan_eval(sweep, *FEW, "--json").out)
    assert [entry["run"] for entry in entries] == ["sweep/seed=0", "sweep/seed=1"]
    rows = list(csv.DictReader(gan_eval(sweep, *FEW, "--csv").out.splitlines()))
    assert [row["run"] for row in rows] == ["sweep/seed=0", "sweep/seed=1"]
    for entry, row in zip(entries, rows, strict=True):
        for name, metric in entry["figures"].items():
            assert float(row[name]) == metric["value"]
            assert float(row[f"{name} floor"]) == metric["floor"]
    (row,) = csv.DictReader(gan_eval(sweep / "seed=0", *FEW, "--csv").out.splitlines())
    assert row == rows[0]


@pytest.mark.parametrize("option", [("--samples", "a.npy"), ("--neighbours", "a.png")])
def test_options_of_one_run_are_refused_with_several(option: tuple[str, str], sweep: Path, gan_eval: Command) -> None:
    done = gan_eval(sweep, *option)
    assert (done.status, done.err) == (2, f"gan-eval: {option[0]}: expected with a single run directory\n")


def test_a_folder_without_runs_costs_one_line(gan_eval: Command, workplace: Path) -> None:
    (workplace / "empty").mkdir()
    done = gan_eval("empty")
    assert done.status == 2
    assert done.err == "gan-eval: no completed run in 'empty': a run directory has a .hydra/config.yaml\n"


def test_what_takes_long_is_named(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(evaluation_progress, "PATIENCE", 0.02)
    with EvaluationProgress(2) as progress:
        progress.begin("a run")
        progress.stage("quick")
        progress.stage("slow")
        assert progress._timer is not None
        progress._timer.join()
        progress.end("done")
    assert capfd.readouterr().err.splitlines()[0] == "a run: slow ..."
