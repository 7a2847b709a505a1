"""``noise=adaptive``: sigma follows D's accuracy, on the device alone, and continues exactly after a resume."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from gan_cli.components.noise import Adaptive, Scheduled
from gan_cli.components.schedules import Linear
from gan_cli.errors import InvalidValueError
from gan_cli.protocols.adversarial import NoiseLevel
from tests.conftest import TINY, Command

RUNS = ("whole", "parts")


def margins(accuracy: float, count: int = 1000) -> tuple[torch.Tensor, torch.Tensor]:
    right = round(accuracy * count)
    values = torch.cat([torch.ones(right), -torch.ones(count - right)])
    return values, values


def test_both_kinds_fit_the_interface() -> None:
    assert isinstance(Adaptive(), NoiseLevel)
    assert isinstance(Scheduled(None), NoiseLevel)


def test_a_schedule_is_followed_and_what_d_does_is_not() -> None:
    level = Scheduled(Linear(0.5, 0.1, 4))
    level.set_step(2)
    level.observe(margins(1.0))
    assert float(level.sigma) == pytest.approx(0.3)


@pytest.mark.parametrize("accuracy", [0.5, 0.8, 0.95, 1.0])
def test_one_update_changes_sigma_as_the_documentation_says(accuracy: float) -> None:
    level = Adaptive(target=0.8, start=0.1, speed=0.05)
    level.observe(margins(accuracy))
    assert float(level.sigma) == pytest.approx(0.1 * math.exp(0.05 * (accuracy - 0.8)), rel=1e-5)


def test_accuracy_is_the_mean_of_both_sides() -> None:
    level = Adaptive(target=0.75, start=0.1)
    level.observe((margins(1.0)[0], margins(0.5)[0]))
    assert float(level.sigma) == pytest.approx(0.1)


@pytest.mark.parametrize(("accuracy", "bound"), [(1.0, 0.5), (0.0, 0.0005)])
def test_sigma_stays_within_its_bounds(accuracy: float, bound: float) -> None:
    level = Adaptive(start=0.1, speed=1.0, largest=0.5)
    for _ in range(100):
        level.observe(margins(accuracy))
    assert float(level.sigma) == pytest.approx(bound)


def test_a_world_whose_accuracy_falls_with_noise_settles_at_the_target() -> None:
    level = Adaptive(target=0.8, start=0.05, speed=0.1)
    for _ in range(2000):
        level.observe(margins(0.5 + 0.5 * math.exp(-float(level.sigma) / 0.2)))
    assert 0.5 + 0.5 * math.exp(-float(level.sigma) / 0.2) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    ("key", "value"),
    [("target", 0.5), ("target", 1.0), ("start", 0.0), ("start", 2.0), ("speed", 0.0), ("largest", 0.0)],
)
def test_values_out_of_range_are_refused(key: str, value: float) -> None:
    with pytest.raises(InvalidValueError, match=key):
        Adaptive(**{key: value})


def test_a_run_holds_d_back_and_resumes_with_its_sigma(gan_train: Command, workplace: Path) -> None:
    strong = (
        *TINY,
        "optimizer.lr_d=1e-2",
        "train.log_every=20",
        "train.sample_every=0",
        "noise=adaptive",
        "noise.speed=0.5",
    )
    assert gan_train(*strong, "train.steps=80", "hydra.run.dir=whole").status == 0
    assert gan_train(*strong, "train.steps=50", "hydra.run.dir=parts").status == 0
    assert gan_train("resume=parts", "train.steps=80").status == 0
    whole, parts = (
        [json.loads(line) for line in Path(name, "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "parts")
    )
    assert whole[-1]["noise/sigma"] > whole[0]["noise/sigma"]
    assert whole[-1]["noise/sigma"] == parts[-1]["noise/sigma"]
