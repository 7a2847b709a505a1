"""What a dry run of a sweep says: how many jobs, what varies, and what they take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gan_cli.sweeps.outline import JobOutline, describe
from tests.conftest import SHORT, TINY, Command


def outline(number: int, loss: str, seed: int, seconds: float | None = 60.0) -> JobOutline:
    varying = {"loss": loss, "seed": str(seed)}
    rows = {"dataset": "Ring()", "loss": loss.upper()}
    return JobOutline(number, varying, rows, loss, 50, seconds, "", 10)


def test_jobs_are_one_table() -> None:
    jobs = [outline(number, loss, seed) for number, (loss, seed) in enumerate([("a", 0), ("a", 1), ("b", 0), ("b", 1)])]
    assert describe(jobs).splitlines() == [
        "jobs             4",
        "steps            200 in all, 50 each",
        "time             about 4 min one after another on this machine; an estimate from a few steps of 2 of 2"
        " configurations, without evaluations",
        "disk             about 40 bytes in all",
        "",
        "What differs between the jobs:",
        "loss             a, b",
        "seed             0, 1",
        "",
        "What they are:",
        "dataset          Ring()",
        "loss             A  [2 jobs: loss=a]",
        "                 B  [2 jobs: loss=b]",
    ]


def test_jobs_that_were_not_measured_take_as_long_as_the_others() -> None:
    text = describe([outline(0, "a", 0), outline(1, "b", 0, None)])
    assert "about 2 min one after another on this machine; an estimate from a few steps of 1 of 2" in text


def test_steps_that_were_made_before_are_not_counted_again() -> None:
    jobs = [replace(outline(number, "a", number), done=done) for number, done in enumerate((50, 25, 0))]
    lines = describe(jobs).splitlines()
    assert lines[0] == "jobs             3, of which 1 completed before"
    assert lines[1] == "steps            150 in all, 50 each; 75 left"
    assert lines[2].startswith("time             about 1 min 30 s one after another")
    assert "time             none" in describe(jobs[:1]).splitlines()


@pytest.mark.locks
def test_dry_run_of_a_sweep_that_is_continued(gan_train: Command, workplace: Path) -> None:
    sweep = ("-m", "seed=0,1", "dataset=ring8", *TINY, *SHORT)
    assert gan_train(*sweep, "hydra.sweep.dir=both").status == 0
    done = gan_train(*sweep, "sweep.continue=both", "dry_run=true")
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert lines[:3] == [
        "jobs             2, of which 2 completed before",
        "steps            4 in all, 2 each; 0 left",
        "time             none",
    ]


@pytest.mark.locks
def test_dry_run_of_a_sweep(gan_train: Command, workplace: Path) -> None:
    done = gan_train("-m", "dry_run=true", "loss=jsd,wgan,hinge", "seed=range(0,4)", "dataset=ring8", *TINY, *SHORT)
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "jobs             12"
    assert lines[1] == "steps            24 in all, 2 each"
    assert "of 3 of 3 configurations" in lines[2]
    assert "loss             jsd, wgan, hinge" in lines
    assert "seed             0, 1, 2, 3" in lines
    assert len(lines) < 40
    assert done.err == ""
    assert list(workplace.iterdir()) == []


@pytest.mark.locks
def test_wrong_jobs_of_a_dry_run_are_still_reported(gan_train: Command, workplace: Path) -> None:
    done = gan_train("-m", "dry_run=true", "optimizer.lr=1e-3,-1", "dataset=ring8", *TINY, *SHORT)
    assert done.status == 1
    assert "job 1 (optimizer.lr=-1): optimizer.lr: expected" in done.err
    assert done.out.splitlines()[0] == "jobs             1"


@pytest.mark.slow
def test_dry_run_of_jobs_in_other_processes(gan_train: Command, workplace: Path) -> None:
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    done = gan_train("-m", "dry_run=true", *launcher, "seed=0,1", "dataset=ring8", *TINY, *SHORT)
    assert done.status == 0, done.err
    assert done.out.splitlines()[0] == "jobs             2"
