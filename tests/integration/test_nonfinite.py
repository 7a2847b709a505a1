"""Numbers that are not finite: never saved; runs are stopped, rolled back or skipped as configured."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_cli.algorithms.gan.replicas import Replicas
from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.storage import checkpoint_archive
from tests.conftest import TINY, Command
from tests.helpers.nonfinite_losses import Poisoned
from tests.helpers.run_directories import read_metrics, read_summary
from tests.runtime.test_cuda_graphs import assert_same

SKIP = "train.non_finite=skip"
SMALL = (*TINY, "train.batch_size=8", "train.sample_count=4", "train.sample_every=0", "hydra.run.dir=run")
QUICK = (*SMALL, "train.steps=12", "train.log_every=4", "train.checkpoint_every=2")


@pytest.fixture
def bad(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, str]], None]:
    """Every run from here on is bad at these steps, counted from 0, for D, G or both; but not at a lowered rate."""

    def at(steps: dict[int, str]) -> None:
        make, update = GANTrainer.__init__, GANTrainer.update

        @functools.wraps(make)  # the constructor's parameters say which parts of a run it takes
        def made(self: GANTrainer, **parts: Any) -> None:
            make(self, **parts)
            self.objective = Poisoned(self.objective)

        def updated(self: GANTrainer, step: int) -> None:
            sides = steps.get(step, "") if self.optimizer_d.rate == 2e-4 else ""
            assert isinstance(self.objective, Poisoned)
            self.objective.d.fill_(torch.nan if "d" in sides else 1.0)
            self.objective.g.fill_(torch.nan if "g" in sides else 1.0)
            update(self, step)
            self.objective.d.fill_(1.0)
            self.objective.g.fill_(1.0)

        monkeypatch.setattr(GANTrainer, "__init__", made)
        monkeypatch.setattr(GANTrainer, "update", updated)

    return at


def last() -> dict[str, Any]:
    return checkpoint_archive.load(Path("run/checkpoints/last.pt"))


Bad = Callable[[dict[int, str]], None]


def test_stop_leaves_the_last_good_checkpoint_and_the_bad_state_apart(bad: Bad, gan_train: Command) -> None:
    bad({4: "d"})
    done = gan_train(*QUICK)
    assert done.status == 4
    message = done.err.strip().splitlines()[-1]
    assert "training diverged at step 6: a loss was not finite at step 5" in message
    assert "the first tensor that was not finite: gradient of D's" in message
    assert "after step 5 (its state: run/not_finite/step_00000005.pt)" in message
    assert "Traceback" not in done.err
    assert (last()["step"], read_summary()["status"], read_summary()["step"]) == (4, "diverged", 6)
    kept = torch.load("run/not_finite/step_00000005.pt", weights_only=True)
    assert kept["step"] == 5
    names = [name for name, tensor in kept["tensors"].items() if not tensor.isfinite().all()]
    assert names[0].startswith("gradient of D's")
    assert f"not finite: {names[0]}," in message


def test_a_run_that_stopped_comes_to_the_same_again_or_goes_on_with_another_policy(
    bad: Bad, gan_train: Command
) -> None:
    bad({4: "d"})
    assert gan_train(*QUICK).status == 4
    again = gan_train("resume=run")
    assert again.status == 4
    assert "after step 5" in again.err
    assert "train.non_finite=rollback or skip" in again.err
    assert last()["step"] == 4
    assert gan_train("resume=run", SKIP).status == 0
    assert read_summary()["status"] == "completed"
    assert [line["step"] for line in read_metrics()] == [4, 8, 12]


@pytest.mark.parametrize("log_every", [1, 3, 100])
def test_a_checkpoint_with_bad_numbers_is_never_saved(
    log_every: int, monkeypatch: pytest.MonkeyPatch, gan_train: Command
) -> None:
    """A weight goes bad with no loss to show for it yet."""
    update = GANTrainer.update

    def updated(self: GANTrainer, step: int) -> None:
        update(self, step)
        if step == 6:
            with torch.no_grad():
                next(iter(self.generator.parameters()))[0] = torch.inf

    monkeypatch.setattr(GANTrainer, "update", updated)
    done = gan_train(*QUICK, "train.checkpoint_every=1", f"train.log_every={log_every}")
    assert done.status == 4
    assert "is not finite" in done.err
    assert last()["step"] == 6
    assert max(int(path.stem.removeprefix("step_")) for path in Path("run/checkpoints").glob("step_*.pt")) == 6


def test_nonfinite_value_that_does_not_recur_leaves_the_present_state(
    monkeypatch: pytest.MonkeyPatch, gan_train: Command
) -> None:
    update, struck = GANTrainer.update, []

    def updated(self: GANTrainer, step: int) -> None:
        update(self, step)
        if step == 6 and not struck:
            struck.append(step)
            with torch.no_grad():
                next(iter(self.discriminator.parameters()))[0] = torch.nan

    monkeypatch.setattr(GANTrainer, "update", updated)
    done = gan_train(*QUICK)
    assert done.status == 4
    assert "did not recur" in done.err
    assert "run/not_finite/step_00000008.pt" in done.err
    kept = torch.load("run/not_finite/step_00000008.pt", weights_only=True)
    assert any(not tensor.isfinite().all() for name, tensor in kept["tensors"].items() if name.startswith("D's"))


def test_rollback_of_such_numbers_alone(bad: Bad, gan_train: Command) -> None:
    bad({4: "g"})
    done = gan_train(*QUICK, "train.non_finite=rollback")
    assert done.status == 0, done.err
    assert "rollback 1 of 3: continuing from step 4" in done.err
    assert read_summary()["status"] == "completed"
    assert "gradient of G's" in read_summary()["alarms"][0]["message"]
    assert Path("run/not_finite/step_00000005.pt").exists()


def test_stop_holds_for_such_numbers_whatever_other_alarms_lead_to(bad: Bad, gan_train: Command) -> None:
    bad({4: "d"})
    done = gan_train(*QUICK, "diagnostics.on_alarm=rollback", "train.non_finite=stop")
    assert done.status == 4
    assert "rollback" not in done.err


def test_skip_goes_on_counts_and_warns_once(bad: Bad, gan_train: Command) -> None:
    bad({2: "d", 5: "dg", 9: "d"})
    done = gan_train(*QUICK, SKIP)
    assert done.status == 0, done.err
    assert [line["diagnosis/skipped"] for line in read_metrics()] == [1.0, 2.0, 1.0]
    assert done.err.count("skipped because of") == 1
    assert "step 4: 1 update was skipped" in done.err
    assert read_summary()["alarms"] == []
    assert all(line["loss/d"] is not None and line["loss/g"] is not None for line in read_metrics())


def test_skip_resumes_bitwise_equal_across_skipped_updates(bad: Bad, gan_train: Command) -> None:
    bad({2: "d", 5: "dg", 6: "g"})
    assert gan_train(*QUICK, SKIP).status == 0
    straight = last()
    Path("run").rename("straight")
    assert gan_train(*QUICK, SKIP, "train.steps=6").status == 0
    assert gan_train("resume=run", "train.steps=12").status == 0
    assert_same(last()["algorithm"], straight["algorithm"], exact=True)
    assert last()["sinks"]["skipped"] == straight["sinks"]["skipped"] == 4


def test_skip_stops_where_all_is_left_out(bad: Bad, gan_train: Command) -> None:
    bad({1: "g", **dict.fromkeys(range(4, 60), "d")})
    done = gan_train(*QUICK, SKIP, "train.steps=60", "train.keep_checkpoints=20")
    assert done.status == 4
    assert "every update of D since step 5 was skipped" in done.err
    assert "the first tensor that was not finite: gradient of D's" in done.err
    assert "after step 5" in done.err
    assert read_summary()["status"] == "diverged"


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_a_huge_rate_ends_in_one_line(policy: str, gan_train: Command) -> None:
    done = gan_train(*QUICK, "train.steps=40", "optimizer.lr=1e38", f"train.non_finite={policy}")
    assert done.status == 4, done.err
    assert "not finite" in done.err.strip().splitlines()[-1]
    assert "Traceback" not in done.err


@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_runs_trained_as_one_can_only_be_stopped(policy: str, gan_train: Command) -> None:
    done = gan_train("train.replicas=2", "dataset=ring8", f"train.non_finite={policy}")
    assert done.status == 2
    assert "train.non_finite: expected stop or null with train.replicas > 1" in done.err
    assert not Path("outputs").exists()


def test_one_of_several_runs_trained_as_one_saves_no_bad_numbers(
    monkeypatch: pytest.MonkeyPatch, gan_train: Command
) -> None:
    update = Replicas.update

    def updated(self: Replicas, step: int) -> None:
        update(self, step)
        if step == 6:
            with torch.no_grad():
                next(iter(self.runs[1].generator.parameters()))[0] = torch.nan

    monkeypatch.setattr(Replicas, "update", updated)
    done = gan_train(*QUICK, "train.replicas=2", "dataset=ring8", "train.log_every=100")
    assert done.status == 4
    steps = [checkpoint_archive.load(Path(f"run/seed_{seed}/checkpoints/last.pt"))["step"] for seed in (0, 1)]
    assert steps == [12, 6]
    assert "no checkpoint of step 8: not all of it is finite" in done.err
