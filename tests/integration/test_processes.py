"""Several processes train one run as one does; real ones, some of them started with torchrun, as a user would."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from gan_cli.config.compose import register
from gan_cli.runtime.distributed import SingleProcess
from tests.conftest import Command
from tests.helpers.preloaded import PreloadedGroup
from tests.helpers.processes import GAMES, figures, run_together, start_together
from tests.helpers.run_directories import read_metrics, wait_for

RUN = (
    "dataset=ring8",
    "architecture=mlp_small",
    "train.batch_size=32",
    "optimizer/decay=none",
    "train.sample_every=0",
    "train.log_every=5",
    "train.checkpoint_every=10",
)
# Sums of float32 numbers in another order, over a few steps.
# Processors sum in different orders; after a few steps that shows in the fifth digit of a logit.
TOLERANCE = {"rel": 2e-4, "abs": 1e-4}


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
    generator: dict[str, torch.Tensor] = state["algorithm"]["generator"]
    return generator


def wait_for_step(run: Path, step: int) -> None:
    file = run / "metrics.jsonl"
    wait_for(lambda: file.exists() and any(line["step"] >= step for line in read_metrics(run)))


def test_two_processes_train_every_variant_as_one_does(tmp_path: Path) -> None:
    statuses, output = PreloadedGroup(2, "tests.helpers.processes", tmp_path / "found.json").communicate(300)
    assert statuses == [0, 0], output
    register()
    found = json.loads((tmp_path / "found.json").read_text())
    for name, overrides in GAMES.items():
        for tag, expected in figures(overrides, SingleProcess()).items():
            assert found[name][tag] == pytest.approx(expected, **TOLERANCE), (name, tag)


@pytest.mark.slow
def test_run_of_two_processes_stops_and_goes_on_with_two_or_one(gan_train: Command, workplace: Path) -> None:
    group = PreloadedGroup(2, "gan_cli", *RUN, "train.steps=100000", "hydra.run.dir=part")
    wait_for_step(Path("part"), 10)
    group.send_signal(signal.SIGTERM)
    statuses, err = group.communicate(timeout=300)
    assert 0 not in statuses
    summary = json.loads(Path("part/summary.json").read_text())
    assert summary["status"] == "interrupted", err
    reached = summary["step"]
    # An undisturbed run of as many steps is bitwise equal.
    whole = PreloadedGroup(2, "gan_cli", *RUN, f"train.steps={reached + 20}", "hydra.run.dir=whole")
    assert whole.communicate(300)[0] == [0, 0]
    alone = Path("alone")
    alone.mkdir()
    for file in Path("part").rglob("*"):
        target = alone / file.relative_to("part")
        target.mkdir(parents=True) if file.is_dir() else target.write_bytes(file.read_bytes())
    statuses, output = PreloadedGroup(2, "gan_cli", "resume=part", f"train.steps={reached + 20}").communicate(300)
    assert statuses == [0, 0], output
    for name, value in weights(Path("whole")).items():
        assert torch.equal(weights(Path("part"))[name], value), name
    # On another number of processes it continues as well, and says what that costs.
    done = gan_train("resume=alone", f"train.steps={reached + 20}")
    assert done.status == 0, done.err
    assert "1 processes continue where there were 2" in (alone / "train.log").read_text()
    assert read_metrics(alone)[-1]["loss/d"] == pytest.approx(read_metrics(Path("part"))[-1]["loss/d"], rel=1e-2)
    assert sorted(path.name for path in workplace.iterdir()) == ["alone", "part", "whole"]


def test_mistake_is_reported_once_and_writes_nothing(workplace: Path) -> None:
    status, output = run_together(2, "gan_cli", *RUN, "train.batch_size=33")
    assert status != 0
    assert output.count("train.batch_size: expected a multiple of the 2 processes, got 33") == 1
    assert list(workplace.iterdir()) == []


def test_numbers_that_are_not_finite_end_all_processes_with_one_line(workplace: Path) -> None:
    group = PreloadedGroup(2, "gan_cli", *RUN, "train.steps=40", "optimizer.lr=1e30", "hydra.run.dir=run")
    statuses, output = group.communicate(300)
    assert 0 not in statuses
    assert output.count("gan-train: training diverged") == 1
    assert "the first tensor that was not finite" in output
    assert json.loads(Path("run/summary.json").read_text())["status"] == "diverged"
    assert list(Path("run/not_finite").iterdir())


@pytest.mark.slow
def test_two_processes_begin_from_another_run(gan_train: Command, workplace: Path) -> None:
    assert gan_train(*RUN, "train.steps=20", "hydra.run.dir=old").status == 0
    settings = (*RUN, "train.steps=20", "seed=1", "init=old")
    assert PreloadedGroup(2, "gan_cli", *settings, "hydra.run.dir=both").communicate(300)[0] == [0, 0]
    assert gan_train(*settings, "hydra.run.dir=alone").status == 0
    forked = ("fork=old", "step=10", "optimizer.lr_g=1e-4")
    assert PreloadedGroup(2, "gan_cli", *forked, "hydra.run.dir=both_forked").communicate(300)[0] == [0, 0]
    assert gan_train(*forked, "hydra.run.dir=alone_forked").status == 0
    for together, single in (("both", "alone"), ("both_forked", "alone_forked")):
        for name, value in weights(Path(single)).items():
            torch.testing.assert_close(weights(Path(together))[name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_processes_that_torchrun_starts_again_go_on_from_the_last_checkpoint(workplace: Path) -> None:
    run = Path("run")
    flags = ("--max-restarts=1", "--monitor-interval=0.2")
    process = start_together(2, "gan_cli", *RUN, "train.steps=3000", "hydra.run.dir=run", flags=flags)
    wait_for_step(run, 50)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert [path.name for path in workplace.iterdir()] == ["run"], "no second directory"
    assert "continuing from step" in (run / "train.log").read_text()
    assert [line["step"] for line in read_metrics(run)] == list(range(5, 3001, 5))
    assert json.loads((run / "summary.json").read_text())["status"] == "completed"


@pytest.mark.slow
def test_two_processes_keep_the_best_and_end_together(gan_train: Command, workplace: Path) -> None:
    measured = ("train.eval_every=10", "evaluation.samples=40", "checkpoint.best=metrics/frechet")
    # So large an improvement does not come: the second measurement ends the run.
    stop = ("stop.metric=metrics/frechet", "stop.patience=1", "stop.margin=1000")
    group = PreloadedGroup(2, "gan_cli", *RUN, *measured, *stop, "train.steps=1000", "hydra.run.dir=run")
    statuses, err = group.communicate(300)
    assert statuses == [0, 0], err
    summary = json.loads(Path("run/summary.json").read_text())
    assert (summary["status"], summary["step"]) == ("completed", 20)
    assert "stopped_because" in summary
    best = torch.load("run/checkpoints/best.pt", weights_only=True)
    assert best["step"] == summary["best_checkpoint"]["step"]
