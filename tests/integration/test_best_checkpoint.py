"""``checkpoint.best`` keeps the state that was measured, and ``stop.metric`` ends a run; both are exact on resume."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_cli.storage import checkpoints
from tests.conftest import Command
from tests.helpers.run_directories import read_metrics
from tests.soak.equality import figures, same

SMALL = (
    "dataset=ring8",
    "optimizer/decay=none",  # the rate of a step is no function of train.steps
    "architecture.generator_hidden=[8]",
    "architecture.discriminator_hidden=[8]",
    "train.batch_size=8",
    "train.sample_every=0",
    "train.log_every=2",
    "train.checkpoint_every=3",
    "train.keep_checkpoints=2",
    "train.eval_every=2",
    "evaluation.samples=60",
)
FRECHET = "metrics/frechet/pixels"
BEST = "checkpoint.best=metrics/frechet"
# An improvement of a hundredth of a standard error counts, so that runs of a few steps have some.
STOP = ("stop.metric=metrics/frechet", "stop.patience=2", "stop.margin=0.01", "optimizer.lr=0.1")


def measured(run: str, tag: str = FRECHET) -> dict[int, float]:
    return {int(line["step"]): line[tag] for line in read_metrics(run) if tag in line}


def summary(run: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(run, "summary.json").read_text())
    return content


def state(run: str, name: str = checkpoints.BEST) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(Path(run, "checkpoints", name), weights_only=True)
    return loaded


def same_best(run: str, other: str) -> None:
    same(state(run)["algorithm"], state(other)["algorithm"], "algorithm")
    same(summary(run)["best_checkpoint"], summary(other)["best_checkpoint"], "best_checkpoint")
    for key in ("checkpoint", "stop"):
        of_both = [state(each, checkpoints.LAST)["sinks"].get(key) for each in (run, other)]
        same(of_both[0], of_both[1], key)
    same(figures(Path(run)), figures(Path(other)), "metrics.jsonl")


@pytest.mark.parametrize("rate", ["2e-4", "0.1"])
def test_best_is_the_state_that_was_measured(rate: str, gan_train: Command) -> None:
    overrides = (*SMALL, f"optimizer.lr={rate}")
    done = gan_train(*overrides, BEST, "train.steps=11", "hydra.run.dir=run")
    assert done.status == 0, done.err
    found = measured("run")
    best = min(found, key=lambda step: found[step])
    entry = summary("run")["best_checkpoint"]
    assert entry == {"metric": FRECHET, "value": found[best], "step": best, "file": "checkpoints/best.pt"}
    assert summary("run")["best"][FRECHET] == {"value": found[best], "step": best}
    assert state("run")["step"] == best
    assert f"best checkpoint: step {best}, {FRECHET}" in done.err
    assert "gan-sample run --checkpoint best" in done.err
    # The run that ends there has the same state, and never measured anything.
    assert gan_train(*overrides, "train.eval_every=0", f"train.steps={best}", "hydra.run.dir=short").status == 0
    same(state("run")["algorithm"], state("short", checkpoints.LAST)["algorithm"], "algorithm")
    kept = sorted(path.name for path in Path("run/checkpoints").iterdir())
    assert set(kept) <= {"best.pt", "last.pt", *(f"step_{step:08d}.pt" for step in (*found, 9, 10, 11))}
    assert {"step_00000010.pt", "step_00000011.pt", f"step_{best:08d}.pt"} <= set(kept)


@pytest.mark.parametrize("first", [1, 4, 5, 6])
def test_run_in_two_pieces_keeps_what_the_whole_one_does(first: int, gan_train: Command) -> None:
    overrides = (*SMALL, BEST, "optimizer.lr=0.1")
    for run, steps in {"whole": 12, "parts": first}.items():
        assert gan_train(*overrides, f"train.steps={steps}", f"hydra.run.dir={run}").status == 0
    assert gan_train("resume=parts", "train.steps=12").status == 0
    same_best("parts", "whole")


def test_run_that_goes_back_has_the_best_of_that_time_again(gan_train: Command) -> None:
    """The latest checkpoint is lost, and with it whatever had become the best one since the one before."""
    overrides = (*SMALL, BEST, "train.keep_checkpoints=3")
    for run, steps in {"whole": 12, "parts": 8}.items():
        assert gan_train(*overrides, f"train.steps={steps}", f"hydra.run.dir={run}").status == 0
    assert summary("parts")["best_checkpoint"]["step"] == 8  # at its rate, every step is better than those before
    for name in ("last.pt", "step_00000008.pt", "step_00000006.pt"):
        Path("parts/checkpoints", name).unlink()
    assert gan_train("resume=parts", "train.steps=12").status == 0
    same_best("parts", "whole")


def test_metric_of_reports_counts_where_there_is_a_checkpoint(gan_train: Command) -> None:
    overrides = (*SMALL, "train.eval_every=0", "checkpoint.best=divergence/jsd", "optimizer.lr=0.01")
    for run, steps in {"whole": 13, "parts": 8}.items():
        assert gan_train(*overrides, f"train.steps={steps}", f"hydra.run.dir={run}").status == 0
    assert gan_train("resume=parts", "train.steps=13").status == 0
    same_best("parts", "whole")
    reported = measured("whole", "divergence/jsd")
    candidates = {step: value for step, value in reported.items() if step in (6, 12, 13)}
    assert summary("whole")["best_checkpoint"]["step"] == min(candidates, key=lambda step: candidates[step])


def test_every_replica_keeps_its_own(gan_train: Command) -> None:
    done = gan_train(*SMALL, BEST, "train.replicas=2", "train.steps=6", "hydra.run.dir=runs")
    assert done.status == 0, done.err
    for seed in range(2):
        found = measured(f"runs/seed_{seed}")
        best = min(found, key=lambda step: found[step])
        assert state(f"runs/seed_{seed}")["step"] == summary(f"runs/seed_{seed}")["best_checkpoint"]["step"] == best


def test_metric_may_be_chosen_and_changed_on_resume(gan_train: Command) -> None:
    assert gan_train(*SMALL, "train.steps=4", "hydra.run.dir=run").status == 0
    assert gan_train("resume=run", "train.steps=6", BEST).status == 0
    assert summary("run")["best_checkpoint"]["step"] in (4, 6)  # it measures the step at which it begins once more
    assert gan_train("resume=run", "train.steps=8").status == 0  # the setting stays
    assert summary("run")["best_checkpoint"]["metric"] == FRECHET
    assert gan_train("resume=run", "train.steps=10", "checkpoint.best=metrics/coverage").status == 0
    assert summary("run")["best_checkpoint"]["metric"] == "metrics/coverage/pixels"


def test_run_ends_once_it_has_not_improved(gan_train: Command) -> None:
    done = gan_train(*SMALL, BEST, *STOP, "train.steps=100", "hydra.run.dir=run")
    assert done.status == 0, done.err
    waited = measured("run", "stop/waited")
    end = max(waited)
    assert waited[end] == 2
    assert waited[end - 4] == 0
    assert [step for step in waited if waited[step] >= 2] == [end]
    content = summary("run")
    assert (content["status"], content["step"]) == ("completed", end)
    reason = f"{FRECHET} has not improved in 2 measurements, since step {end - 4}"
    assert content["stopped_because"].startswith(reason)
    assert f"step {end}: {reason}" in done.err
    assert state("run", checkpoints.LAST)["step"] == end
    assert "stop.patience=4" in done.err
    # To resume it as it is would measure the step once more, and end there again.
    again = gan_train("resume=run", "train.steps=200")
    assert again.status == 0
    assert f"run has ended at step {end}: {reason}" in again.err
    assert "a larger stop.patience, or stop.patience=0, trains it on" in again.err
    assert summary("run") == content


def test_last_step_is_reported_and_shown_though_nothing_is_due(gan_train: Command) -> None:
    cadence = ("train.log_every=7", "train.sample_every=50", "train.sample_count=4")
    assert gan_train(*SMALL, *STOP, *cadence, "train.steps=100", "hydra.run.dir=run").status == 0
    end = summary("run")["step"]
    assert end in measured("run", "loss/d")
    assert Path(f"run/samples/step_{end:08d}.png").exists()


@pytest.mark.parametrize("patience", [3, 0])
def test_longer_patience_trains_on_as_if_it_had_been_there_from_the_start(patience: int, gan_train: Command) -> None:
    steps = "train.steps=30"
    for run, measurements in {"parts": 2, "whole": patience}.items():
        overrides = (*SMALL, BEST, *STOP, steps, f"stop.patience={measurements}", f"hydra.run.dir={run}")
        assert gan_train(*overrides).status == 0
    assert summary("parts")["step"] < summary("whole")["step"]
    assert gan_train("resume=parts", f"stop.patience={patience}").status == 0
    if patience:
        same_best("parts", "whole")
        assert summary("parts")["stopped_because"] == summary("whole")["stopped_because"]
    else:
        assert summary("parts")["step"] == 30
        assert "stopped_because" not in summary("parts")
        same(state("parts")["algorithm"], state("whole")["algorithm"], "algorithm")


def test_stop_is_exact_on_resume(gan_train: Command) -> None:
    assert gan_train(*SMALL, *STOP, BEST, "train.steps=100", "hydra.run.dir=whole").status == 0
    end = summary("whole")["step"]
    assert gan_train(*SMALL, *STOP, BEST, f"train.steps={end - 3}", "hydra.run.dir=parts").status == 0
    assert gan_train("resume=parts", "train.steps=100").status == 0
    same_best("parts", "whole")
    assert summary("parts")["stopped_because"] == summary("whole")["stopped_because"]


def test_stop_by_a_metric_of_reports(gan_train: Command) -> None:
    overrides = ("stop.metric=divergence/jsd", "stop.patience=2", "train.eval_every=0", "optimizer.lr=0.05")
    done = gan_train(*SMALL, *overrides, "train.steps=200", "hydra.run.dir=run")
    assert done.status == 0, done.err
    content = summary("run")
    assert content["step"] < 200
    assert content["step"] % 6 == 0  # a report and a checkpoint are due
    assert state("run", checkpoints.LAST)["step"] == content["step"]


def test_sweep_does_not_train_on_what_has_ended(gan_train: Command) -> None:
    sweep = (*SMALL, *STOP, "train.steps=100", "seed=0,1", "-m", "hydra.sweep.dir=sweep")
    assert gan_train(*sweep).status == 0
    ends = [summary(str(path.parent))["step"] for path in sorted(Path("sweep").glob("*/summary.json"))]
    assert len(ends) == 2
    assert all(end < 100 for end in ends)
    shutil.copytree("sweep", "before")
    done = gan_train("-m", "sweep.continue=sweep")
    assert done.status == 0, done.err
    for path in Path("before").glob("*/metrics.jsonl"):
        assert path.read_text() == Path("sweep", path.parent.name, path.name).read_text()


MISTAKES: list[tuple[list[str], list[str]]] = [
    (["checkpoint.best=metrics/frechte"], ["checkpoint.best: ", "Did you mean 'metrics/frechet'?"]),
    (["checkpoint.best=loss/g"], ["'loss/g'", "of which less or more is better"]),
    (["checkpoint.best=metrics/density"], ["'metrics/density'"]),
    (["checkpoint.best=metrics/class_kl"], ["does not measure metrics/class_kl", FRECHET]),
    (["checkpoint.best=metrics/frechet/classifier"], ["does not measure metrics/frechet/classifier", FRECHET]),
    (["checkpoint.best=metrics/frechet", "train.eval_every=0"], ["train.eval_every=500", "checkpoint.best=divergence"]),
    (["checkpoint.best=divergence/wasserstein"], ["this run reports divergence/jsd, not divergence/wasserstein"]),
    (["stop.metric=metrics/recal"], ["stop.metric: ", "Did you mean 'metrics/recall'?"]),
    (["stop.patience=3"], ["stop.metric: expected a metric", "got None"]),
    (["stop.metric=metrics/frechet", "stop.patience=-1"], ["stop.patience", "0: never"]),
    (["stop.metric=metrics/frechet", "stop.margin=-1"], ["stop.margin"]),
    (["stop.metric=metrics/frechet", "train.replicas=2"], ["stop.metric: expected null with train.replicas > 1"]),
]


@pytest.mark.parametrize(("overrides", "words"), MISTAKES)
def test_mistake_costs_one_line_before_training(
    overrides: list[str], words: list[str], gan_train: Command, workplace: Path
) -> None:
    done = gan_train(*SMALL, "train.steps=2", "hydra.run.dir=run", *overrides)
    assert done.status == 2
    (line,) = (line for line in done.err.splitlines() if line.startswith("gan-train: "))
    assert all(word in line for word in words), line
    assert not list(workplace.iterdir())


def test_best_of_a_run_that_measured_nothing(gan_train: Command, gan_sample: Command) -> None:
    assert gan_train(*SMALL, "train.eval_every=0", "train.steps=2", "hydra.run.dir=run").status == 0
    done = gan_sample("run", "--checkpoint", "best")
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert "no best checkpoint in run/checkpoints: a run keeps one with checkpoint.best=METRIC" in done.err
