"""Alarms of whole runs: what raises them, what they say, and what ``diagnostics.on_alarm`` makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.architectures.mlp import MLP
from gan_cli.storage import checkpoints
from tests.conftest import TINY, Command
from tests.helpers.run_directories import read_metrics, read_summary

SMALL = (*TINY, "train.batch_size=8", "train.sample_count=4", "train.sample_every=0", "hydra.run.dir=run")
QUICK = (*SMALL, "train.steps=12", "train.log_every=2", "train.checkpoint_every=4")


class Stuck(nn.Module):
    """A generator with one output, whatever z is."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.picture = nn.Parameter(torch.zeros(shape))

    def forward(self, z: Tensor) -> Tensor:
        return self.picture.tanh().expand(len(z), *self.picture.shape)


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MLP, "generator", lambda self, shape, classes: Stuck(shape))


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A weight of D that is no number after update 7, as long as D learns at its first rate."""
    whole = GANTrainer.update

    def update(self: GANTrainer, step: int) -> None:
        whole(self, step)
        if step == 6 and self.optimizer_d.rate == 2e-4:
            with torch.no_grad():
                list(self.discriminator.parameters())[1][0] = torch.nan

    monkeypatch.setattr(GANTrainer, "update", update)


def test_a_generator_with_one_output_has_collapsed_within_200_steps(stuck: None, gan_train: Command) -> None:
    done = gan_train(*SMALL, "train.steps=250")
    assert done.status == 0, done.err
    (alarm,) = (found for found in read_summary()["alarms"] if found["name"] == "mode_collapse")
    assert alarm["step"] <= 200
    assert alarm["figures"]["diagnosis/diversity"] < 0.01
    lines = [line for line in done.err.splitlines() if "mode_collapse: " in line or "mode_collapse since" in line]
    assert lines == [
        f"step {alarm['step']}: mode_collapse: {alarm['evidence']}. Try {alarm['overrides']}",
        f"mode_collapse since step {alarm['step']}. Try {alarm['overrides']}",
    ]
    assert max(map(len, lines)) <= 110
    assert read_metrics()[-1]["diagnosis/mode_collapse"] == 1.0
    assert read_metrics()[0]["diagnosis/mode_collapse"] == 0.0
    board = EventAccumulator("run").Reload()
    (text,) = board.Tensors("diagnosis/mode_collapse/text_summary")
    assert text.step == alarm["step"]
    assert alarm["try"] in text.tensor_proto.string_val[0].decode()


def test_stop_ends_the_run_in_order(stuck: None, gan_train: Command) -> None:
    done = gan_train(*SMALL, "train.steps=2000", "train.log_every=5", "diagnostics.on_alarm=stop")
    assert done.status == 4, done.err
    found = read_summary()
    assert found["status"] == "stopped"
    assert 20 <= found["step"] <= 40
    assert checkpoints.load_latest(Path("run/checkpoints"))["step"] == found["step"]
    resumed = gan_train("resume=run", "diagnostics.on_alarm=warn", f"train.steps={found['step'] + 10}")
    assert resumed.status == 0, resumed.err
    assert read_summary()["status"] == "completed"
    steps = [line["step"] for line in read_metrics()]
    assert steps == sorted(set(steps))
    assert set(range(5, found["step"] + 11, 5)) <= set(steps)


def test_nan_is_traced_to_its_tensor(poisoned: None, gan_train: Command) -> None:
    done = gan_train(*QUICK)
    assert done.status == 4
    words = "the first tensor that was not finite: D's "
    assert words in done.err
    assert "after step 7" in done.err
    assert "Traceback" not in done.err
    (alarm,) = read_summary()["alarms"]
    assert alarm["name"] == "non_finite"
    assert words in alarm["message"]
    assert (read_summary()["status"], read_summary()["step"]) == ("diverged", 8)


def test_rollback_recovers_from_nan(poisoned: None, gan_train: Command) -> None:
    done = gan_train(*QUICK, "diagnostics.on_alarm=rollback", "diagnostics.rollback.sigma=0.1")
    assert done.status == 0, done.err
    assert "rollback 1 of 3: continuing from step 4" in done.err
    found = read_summary()
    assert (found["status"], found["step"]) == ("completed", 12)
    assert "D's " in found["alarms"][0]["message"]
    assert [line["step"] for line in read_metrics()] == [2, 4, 6, 8, 10, 12]
    assert all(value is not None for line in read_metrics() for value in line.values())
    assert [line["lr/d"] for line in read_metrics()] == pytest.approx([2e-4] + [1e-4] * 5)
    assert [line["noise/sigma"] for line in read_metrics()] == pytest.approx([0.0] + [0.1] * 5)
    board = EventAccumulator("run").Reload()
    assert [event.step for event in board.Scalars("loss/d")] == [2, 4, 6, 8, 10, 12]


def test_a_run_that_was_rolled_back_resumes_as_it_went_on(poisoned: None, gan_train: Command) -> None:
    assert gan_train(*QUICK, "diagnostics.on_alarm=rollback").status == 0
    straight = checkpoints.load_latest(Path("run/checkpoints"))
    Path("run").rename("straight")
    assert gan_train(*QUICK, "diagnostics.on_alarm=rollback", "train.steps=9").status == 0
    assert gan_train("resume=run", "train.steps=12").status == 0
    resumed = checkpoints.load_latest(Path("run/checkpoints"))
    for name, weight in straight["algorithm"]["generator"].items():
        assert torch.equal(weight, resumed["algorithm"]["generator"][name])
    assert resumed["sinks"]["rollbacks"] == 1


def test_rollbacks_are_bounded(stuck: None, gan_train: Command) -> None:
    rollback = ("diagnostics.on_alarm=rollback", "diagnostics.rollback.times=2", "diagnostics.rollback.lr_g=0.25")
    done = gan_train(*SMALL, "train.steps=400", "train.log_every=5", "train.checkpoint_every=10", *rollback)
    assert done.status == 4
    assert done.err.count("continuing from step") == 2
    assert "after 2 rollbacks (diagnostics.rollback.times)" in done.err
    assert read_summary()["status"] == "diverged"
    assert [alarm["name"] for alarm in read_summary()["alarms"]].count("mode_collapse") == 3


def test_rollback_returns_to_before_the_alarm_condition_began(stuck: None, gan_train: Command) -> None:
    done = gan_train(
        *SMALL,
        "train.steps=60",
        "train.log_every=5",
        "train.checkpoint_every=5",
        "train.keep_checkpoints=20",
        "diagnostics.on_alarm=rollback",
        "diagnostics.rollback.times=1",
    )
    assert "rollback 1 of 1: continuing from step 5 " in done.err  # at 5 it was saved before it was looked at


def test_without_a_good_checkpoint_it_says_how_to_have_one(stuck: None, gan_train: Command) -> None:
    done = gan_train(
        *SMALL,
        "train.steps=60",
        "train.log_every=5",
        "train.checkpoint_every=5",
        "train.keep_checkpoints=1",
        "diagnostics.on_alarm=rollback",
    )
    assert done.status == 4
    assert "train.keep_checkpoints" in done.err


@pytest.mark.parametrize("policy", ["stop", "rollback"])
def test_runs_trained_as_one_can_only_be_warned(policy: str, gan_train: Command) -> None:
    done = gan_train("train.replicas=2", "dataset=ring8", f"diagnostics.on_alarm={policy}")
    assert done.status == 2
    assert "diagnostics.on_alarm: expected warn with train.replicas > 1" in done.err
    assert not Path("outputs").exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("diagnostics.on_alarm=panic", ["diagnostics.on_alarm", "panic"]),
        ("diagnostics.mode_collapse.diversity=1.5", ["diagnostics.mode_collapse.diversity", "0 to 1", "1.5"]),
        ("diagnostics.oscillation.patience=-1", ["diagnostics.oscillation.patience", "-1"]),
        ("diagnostics.rollback.times=0", ["diagnostics.rollback.times", "0"]),
        ("diagnostics.samples=2", ["diagnostics.samples", "2"]),
        ("train.held_out=0.9", ["train.held_out", "0.5", "0.9"]),
        ("diagnostics.mode_colapse.patience=1", ["diagnostics.mode_colapse", "mode_collapse"]),
        ("noise.target=0.4 noise=adaptive", ["noise.target", "0.4"]),
    ],
)
def test_mistakes_cost_one_line(override: str, words: list[str], gan_train: Command) -> None:
    done = gan_train(*override.split())
    assert done.status == 2
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err


@pytest.mark.long
def test_the_default_run_raises_no_alarm_in_ten_seeds(gan_train: Command) -> None:
    done = gan_train("train.replicas=10", "train.sample_every=0", "hydra.run.dir=runs")
    assert done.status == 0, done.err
    for seed in range(10):
        assert json.loads(Path(f"runs/seed_{seed}/summary.json").read_text())["alarms"] == []


@pytest.mark.slow
def test_a_discriminator_with_many_quick_steps_is_too_strong(gan_train: Command, real_data: Path) -> None:
    done = gan_train(
        "dataset=mnist",
        f"dataset.root={real_data}",
        "architecture=dcgan",
        "architecture.width=16",
        "loss.d_steps=50",
        "optimizer.lr_d=2e-3",
        "train.steps=60",
        "train.log_every=5",
        "train.sample_every=0",
        "hydra.run.dir=run",
    )
    assert done.status == 0, done.err
    assert "discriminator_too_strong" in [alarm["name"] for alarm in read_summary()["alarms"]]
