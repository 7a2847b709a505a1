"""Sweeps, and directories that are never shared."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gan_cli.storage import run_directory
from tests.conftest import SHORT, TINY, Command, start_gan_train
from tests.helpers.sweeps import jobs_of


def test_sweep_runs_every_combination(gan_train: Command, workplace: Path) -> None:
    done = gan_train("-m", *SHORT, *TINY, "loss=jsd,wgan", "noise=none,linear", "seed=0,1", "hydra.sweep.dir=sweep")
    assert done.status == 0, done.err
    jobs = jobs_of(Path("sweep"))
    assert len(jobs) == 8
    for job in jobs:
        assert json.loads((job / "summary.json").read_text())["status"] == "completed"
        config = (job / ".hydra" / "config.yaml").read_text()
        assert ("WeightClipping" in config) == ("loss=wgan" in job.name)
        assert ("Linear" in config) == ("noise=linear" in job.name)
        assert ("seed: 1" in config) == ("seed=1" in job.name)
    assert [path.name for path in workplace.iterdir()] == ["sweep"], "no run outside the sweep"


def test_job_of_a_sweep_can_be_resumed(gan_train: Command, workplace: Path) -> None:
    assert gan_train("-m", *SHORT, *TINY, "seed=0,1", "hydra.sweep.dir=sweep").status == 0
    job = jobs_of(Path("sweep"))[0]
    done = gan_train(f"resume={job}", "train.steps=3")
    assert done.status == 0, done.err
    assert json.loads((job / "summary.json").read_text())["step"] == 3


def test_failed_job_does_not_take_the_sweep_with_it(gan_train: Command, gan_report: Command, workplace: Path) -> None:
    done = gan_train("-m", *SHORT, *TINY, "optimizer.lr=-1,1e-3", "hydra.sweep.dir=sweep")
    assert done.status == 1
    assert "optimizer.lr: expected a number > 0 and <= 1e+38, got -1" in done.err
    assert "1 of 2 jobs failed" in done.err
    failed, completed = (json.loads((job / "summary.json").read_text()) for job in jobs_of(Path("sweep")))
    assert completed["status"] == "completed"
    assert (failed["status"], failed["exit_status"], failed["step"]) == ("failed", 2, 0)
    assert failed["error"].startswith("optimizer.lr: expected a number > 0 and <= 1e+38, got -1")
    report = gan_report("sweep")
    assert (report.status, report.err) == (0, "")
    assert "1 run failed: " in report.out


def test_misspelt_sweep_leaves_nothing(gan_train: Command, workplace: Path) -> None:
    done = gan_train("-m", "loss=jsd,wgna")
    assert done.status == 2
    assert "Did you mean loss=wgan?" in done.err
    assert list(workplace.iterdir()) == []


def test_dry_run_of_a_sweep_writes_nothing(gan_train: Command, workplace: Path) -> None:
    done = gan_train("-m", "loss=jsd,wgan", "dry_run=true")
    assert done.status == 0, done.err
    assert "NonSaturating" in done.out
    assert "Wasserstein" in done.out
    assert list(workplace.iterdir()) == []


def test_runs_of_the_same_second_do_not_share_a_directory(workplace: Path) -> None:
    arguments = (*SHORT, *TINY, "dataset=ring8", "hydra.run.dir=same")
    processes = [start_gan_train(*arguments) for _ in range(3)]
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    assert sorted(path.name for path in workplace.iterdir()) == ["same", "same_1", "same_2"]
    for path in workplace.iterdir():
        assert len((path / "metrics.jsonl").read_text().splitlines()) == 2


def test_sweeps_of_the_same_second_do_not_share_a_directory(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(run_directory.unique_dir, [str(tmp_path / "day" / "time")] * 64))
    assert len(set(names)) == 64


def test_claims_of_the_same_second_do_not_share_a_directory(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        claimed = list(pool.map(run_directory.claim, [tmp_path / "run"] * 64))
    assert len({directory.path for directory in claimed}) == 64
