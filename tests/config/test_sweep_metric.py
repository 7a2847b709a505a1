"""The metric that a sweeper optimizes: rejected before training where a run would never measure it; its alias."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gan_cli.config.resume import recompose
from gan_cli.config.sweep_metric import SweepMetric, optimization_direction
from gan_cli.errors import ConfigError
from gan_cli.storage.run_directory import RunDirectory
from tests.conftest import SHORT, TINY, Command
from tests.helpers.sweeps import jobs_of

RING = ("dataset=ring8", *SHORT, *TINY, "hydra.run.dir=run")
MEASURED = ("train.eval_every=2", "evaluation.samples=40")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["sweep.metric=metrics/frechet"], ["metrics/frechet", "train.eval_every=500", "divergence/jsd"]),
        (["sweep.metric=frechet", *MEASURED], ["'frechet'", "Did you mean 'metrics/frechet'?"]),
        (["sweep.metric=loss/g"], ["'loss/g'", "metrics/recall", "divergence/jsd"]),
        (["sweep.metric=divergence/ceiling"], ["'divergence/ceiling'"]),
        (["sweep.metric=metrics/density", *MEASURED], ["'metrics/density'"]),
        (["sweep.metric=divergence/wasserstein"], ["this run reports divergence/jsd, not divergence/wasserstein"]),
        (["sweep.metric=divergence/jsd_held_out", "train.held_out=0"], ["train.held_out"]),
        (["sweep.metric=metrics/class_kl", *MEASURED], ["does not measure metrics/class_kl", "metrics/modes"]),
    ],
)
def test_metric_that_would_never_be_measured_costs_one_line_before_training(
    overrides: list[str], words: list[str], gan_train: Command, workplace: Path
) -> None:
    done = gan_train(*RING, *overrides)
    assert done.status == 2
    (line,) = (line for line in done.err.splitlines() if line.startswith("gan-train: sweep.metric: "))
    assert all(word in line for word in words), line
    assert not list(workplace.iterdir())


@pytest.mark.parametrize(
    ("tag", "direction"),
    [
        ("metrics/frechet", "minimize"),
        ("metrics/frechet/pixels", "minimize"),
        ("metrics/recall", "maximize"),
        ("divergence/wasserstein", "minimize"),
    ],
)
def test_direction_follows_from_the_metric(tag: str, direction: str) -> None:
    assert optimization_direction(tag) == direction
    assert optimization_direction(None, tag) == direction
    assert optimization_direction(tag, tag) == direction


WARNING = "objective is deprecated: use sweep.metric=divergence/jsd"


def test_alias_warns_once_on_the_console_and_in_the_log(gan_train: Command, workplace: Path) -> None:
    done = gan_train(*RING, "objective=divergence/jsd")
    assert done.status == 0, done.err
    assert done.err.count(WARNING) == 1
    assert Path("run/train.log").read_text().count(WARNING) == 1
    quiet = gan_train(*RING, "sweep.metric=divergence/jsd", "hydra.run.dir=quiet")
    assert quiet.status == 0, quiet.err
    assert "deprecated" not in quiet.err


@pytest.mark.parametrize("option", ["dry_run=true", "train.replicas=2"])
def test_alias_warns_once_however_the_run_is_started(option: str, gan_train: Command, workplace: Path) -> None:
    done = gan_train(*RING, "objective=divergence/jsd", option)
    assert done.status == 0, done.err
    assert done.err.count(WARNING) == 1


def test_mistake_in_the_alias_names_both_keys(gan_train: Command, workplace: Path) -> None:
    done = gan_train(*RING, "objective=loss/g")
    assert done.status == 2
    assert done.err.startswith("gan-train: sweep.metric (set by its alias objective): expected a metric of which less")
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("sweeper", [[], ["-m", "hydra/sweeper=optuna", "optimizer.lr=choice(1e-3,1e-4)"]])
def test_two_metrics_cost_one_line(sweeper: list[str], gan_train: Command, workplace: Path) -> None:
    if sweeper:
        pytest.importorskip("optuna", reason="needs gan-cli[sweep]")
    both = ("objective=divergence/jsd", "sweep.metric=divergence/jsd_held_out")
    done = gan_train(*sweeper, *RING, *both)
    assert done.status == 2
    assert done.err.splitlines() == [
        "gan-train: objective: expected null or the value of sweep.metric, 'divergence/jsd_held_out', got"
        " 'divergence/jsd': objective is a deprecated alias, set sweep.metric alone"
    ]
    assert not list(workplace.rglob("summary.json"))


def test_both_keys_may_name_the_same_metric(gan_train: Command, workplace: Path) -> None:
    done = gan_train(*RING, "objective=divergence/jsd", "sweep.metric=divergence/jsd")
    assert done.status == 0, done.err


def as_stored_earlier(run: Path) -> None:
    """Take the key from a stored configuration that versions before this one did not know."""
    stored = OmegaConf.load(run / ".hydra" / "config.yaml")
    del stored.sweep["metric"]
    OmegaConf.save(stored, run / ".hydra" / "config.yaml")


@pytest.mark.parametrize(
    ("overrides", "keys"),
    [
        ([], (None, "divergence/jsd")),
        (["sweep.metric=divergence/jsd_held_out"], ("divergence/jsd_held_out", None)),
        (["objective=divergence/jsd_held_out"], (None, "divergence/jsd_held_out")),
    ],
)
def test_run_stored_with_the_old_key_is_resumed_and_reported(
    overrides: list[str], keys: tuple[object, object], gan_train: Command, gan_report: Command, workplace: Path
) -> None:
    assert gan_train(*RING, "objective=divergence/jsd").status == 0
    as_stored_earlier(Path("run"))
    resumed = recompose(RunDirectory(Path("run")), overrides).config
    assert (resumed.sweep.get("metric"), resumed.objective) == keys
    done = gan_train("resume=run", "train.steps=4", *overrides)
    assert done.status == 0, done.err
    assert json.loads(Path("run/summary.json").read_text())["step"] == 4
    new = gan_train(*RING, "train.steps=4", "sweep.metric=divergence/jsd", "seed=1", "hydra.run.dir=new")
    assert new.status == 0, new.err
    report = gan_report("run", "new")
    assert report.status == 0, report.err
    assert "2 completed" in report.out, "two seeds of one configuration, whatever the key was called"


def test_sweep_that_began_with_the_old_key_is_continued_with_either(gan_train: Command, workplace: Path) -> None:
    pytest.importorskip("optuna", reason="needs gan-cli[sweep]")
    search = ("-m", "hydra/sweeper=optuna", *RING[:-1], "optimizer.lr=choice(1e-3,1e-4)")
    some = gan_train(*search, "objective=divergence/jsd", "hydra.sweeper.n_trials=2", "hydra.sweep.dir=sweep")
    assert some.status == 0, some.err
    assert some.err.count(WARNING) == 2, "once a job"
    for job in jobs_of(Path("sweep")):
        as_stored_earlier(job)
    before = OmegaConf.load("sweep/optimization_results.yaml")
    for command in (
        ["-m", "sweep.continue=sweep"],
        ["-m", "sweep.continue=sweep", "sweep.metric=divergence/jsd"],
        [*search, "sweep.metric=divergence/jsd", "hydra.sweeper.n_trials=2", "sweep.continue=sweep"],
    ):
        done = gan_train(*command)
        assert done.status == 0, done.err
        assert "2 skipped (completed before)" in done.err
        assert OmegaConf.load("sweep/optimization_results.yaml") == before


def test_value_is_the_metric_at_the_end_whatever_the_backbone(gan_train: Command, workplace: Path) -> None:
    done = gan_train(*RING, *MEASURED, "sweep.metric=metrics/high_quality")
    assert done.status == 0, done.err
    summary = json.loads(Path("run/summary.json").read_text())
    last = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()][-1]
    assert SweepMetric("metrics/high_quality").final_value(summary) == last["metrics/high_quality"]
    assert SweepMetric("metrics/kernel").final_value(summary) == last["metrics/kernel/pixels"]


@pytest.mark.parametrize("summary", [{}, {"final": {}}, {"final": None}, {"final": {"metrics/frechet_x": 1.0}}])
def test_run_without_the_metric_has_no_value(summary: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="without metrics/frechet"):
        SweepMetric("metrics/frechet").final_value(summary)
