"""A run remembers the length it was resumed to, and does nothing where nothing is to be done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import SHORT, TINY, Command

RUN = ("dataset=ring8", *TINY, *SHORT, "train.eval_every=2", "evaluation.samples=40", "hydra.run.dir=run")


def steps_of(run: Path) -> list[int]:
    """The steps with a report, or an evaluation."""
    return sorted({json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()})


def files(run: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "lock"}


def test_run_resumes_to_its_latest_length(gan_train: Command, workplace: Path) -> None:
    assert gan_train(*RUN).status == 0
    assert gan_train("resume=run", "train.steps=4").status == 0
    before = files(workplace / "run")
    done = gan_train("resume=run")
    assert done.status == 0
    assert done.err.splitlines()[-1] == "run has made its 4 steps: train.steps=N with a larger N trains it on"
    assert files(workplace / "run") == before, "nothing is evaluated again, and nothing is logged"
    assert gan_train("resume=run", "train.steps=5", "train.log_every=1").status == 0
    assert steps_of(Path("run")) == [1, 2, 3, 4, 5]
    overrides = Path("run/.hydra/overrides.yaml").read_text()
    assert overrides.count("train.steps=") == 1
    assert "train.steps=5" in overrides


def test_fewer_steps_than_were_made_are_refused_in_one_line(gan_train: Command, workplace: Path) -> None:
    assert gan_train(*RUN, "train.steps=4").status == 0
    before = files(workplace / "run")
    done = gan_train("resume=run", "train.steps=3")
    assert done.status == 2
    (line,) = (line for line in done.err.splitlines() if line.startswith("gan-train: "))
    assert line == "gan-train: train.steps: run has made 4 steps, expected at least as many, got 3"
    assert files(workplace / "run") == before


def test_run_that_died_after_its_last_step_is_still_ended(gan_train: Command, workplace: Path) -> None:
    assert gan_train(*RUN).status == 0
    Path("run/summary.json").unlink()
    done = gan_train("resume=run")
    assert done.status == 0, done.err
    assert json.loads(Path("run/summary.json").read_text())["status"] == "completed"


@pytest.mark.slow
def test_job_of_a_sweep_remembers_it_too(gan_train: Command, workplace: Path) -> None:
    command = ("-m", *RUN[:-1], "seed=0,1")
    assert gan_train(*command, "hydra.sweep.dir=sweep").status == 0
    assert gan_train("-m", "sweep.continue=sweep", "train.steps=3").status == 0
    done = gan_train("resume=sweep/seed=1")
    assert (done.status, done.err.count("has made its 3 steps")) == (0, 1)
