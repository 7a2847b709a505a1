"""The figure that a sweeper improves: refused before training where a run would never know it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gan_cli.config import objective
from gan_cli.errors import ConfigError
from tests.conftest import SHORT, TINY, Command

RING = ("dataset=ring8", *SHORT, *TINY, "hydra.run.dir=run")
MEASURED = ("train.eval_every=2", "evaluation.samples=40")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["objective=metrics/frechet"], ["metrics/frechet", "train.eval_every=500", "divergence/jsd"]),
        (["objective=frechet", *MEASURED], ["'frechet'", "Did you mean 'metrics/frechet'?"]),
        (["objective=loss/g"], ["'loss/g'", "metrics/recall", "divergence/jsd"]),
        (["objective=divergence/ceiling"], ["'divergence/ceiling'"]),
        (["objective=metrics/density", *MEASURED], ["'metrics/density'"]),
        (["objective=divergence/wasserstein"], ["this run reports divergence/jsd, not divergence/wasserstein"]),
        (["objective=divergence/jsd_held_out", "train.held_out=0"], ["train.held_out"]),
        (["objective=metrics/class_kl", *MEASURED], ["does not measure metrics/class_kl", "metrics/modes"]),
    ],
)
def test_objective_that_would_never_be_known_costs_one_line_before_training(
    overrides: list[str], words: list[str], gan_train: Command, workplace: Path
) -> None:
    done = gan_train(*RING, *overrides)
    assert done.status == 2
    (line,) = (line for line in done.err.splitlines() if line.startswith("gan-train: "))
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
def test_direction_follows_from_the_figure(tag: str, direction: str) -> None:
    assert objective.sought(tag) == direction


def test_value_is_the_figure_at_the_end_whatever_the_backbone(gan_train: Command, workplace: Path) -> None:
    done = gan_train(*RING, *MEASURED, "objective=metrics/high_quality")
    assert done.status == 0, done.err
    summary = json.loads(Path("run/summary.json").read_text())
    last = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()][-1]
    assert objective.value("metrics/high_quality", summary) == last["metrics/high_quality"]
    assert objective.value("metrics/kernel", summary) == last["metrics/kernel/pixels"]


@pytest.mark.parametrize("summary", [{}, {"final": {}}, {"final": None}, {"final": {"metrics/frechet_x": 1.0}}])
def test_run_without_the_figure_has_no_value(summary: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="without metrics/frechet"):
        objective.value("metrics/frechet", summary)
