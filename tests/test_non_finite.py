"""Numbers that are not finite: noticed without waiting, never saved; stopped, rolled back or skipped as configured."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_cli import checkpoint
from gan_cli.algorithms.account import trouble_in
from gan_cli.algorithms.adversarial import Adversarial
from gan_cli.algorithms.replicas import Replicas
from gan_cli.device import Device
from tests.conftest import TINY, Command
from tests.recorders import FakeRecorder
from tests.test_graphs import DIGITS, PLANE, assembled, assert_same

DCGAN = ("architecture=dcgan", "architecture.width=4", "train.batch_size=8")
ADA = ("augment=ada", "augment.target=-0.9", "augment.every=3", "augment.images=100")
RUNS = {
    "adam, batch norm": (*DIGITS, "loss.d_steps=2"),
    "adam, spectral norm, ada": (*DCGAN, "architecture.spectral_norm=true", *ADA),
    "rmsprop, clipping": (*PLANE, "loss=wgan", "loss.d_steps=2"),
    "sgd, adaptive noise": (*PLANE, "optimizer=sgd", "noise=adaptive"),
    "sgd without momentum": (*PLANE, "optimizer=sgd", "optimizer.momentum=0"),
    "relativistic, penalties": (*PLANE, "loss=r3gan", "loss.penalty.r1.every=2"),
    "reuse": (*DIGITS, "loss.reuse=true", "loss.d_steps=2"),
}
QUICKLY_RECORDED = ("rmsprop, clipping", "sgd, adaptive noise", "reuse")
SKIP = "train.non_finite=skip"
# What goes on whether an update is made or not: what is drawn, the clock, and the counts.
ONWARDS = {"random", "sampler", "progress", "gradient_norms", "soundness"}


class Poisoned:
    """An objective whose losses are multiplied by numbers on the device, 1 unless a test says otherwise."""

    def __init__(self, objective: Any) -> None:
        self._objective = objective
        self.d, self.g = torch.ones(()), torch.ones(())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objective, name)

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        loss: Tensor = self._objective.d_loss(real, fake) * self.d
        return loss

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        loss: Tensor = self._objective.g_loss(real, fake) * self.g
        return loss


def poisoned(*overrides: str) -> tuple[Adversarial, Poisoned]:
    algorithm = assembled(*overrides)
    objective = Poisoned(algorithm._objective)
    algorithm._objective = objective
    return algorithm, objective


def played(algorithm: Adversarial, objective: Poisoned, steps: range, bad: dict[int, str]) -> Adversarial:
    """Steps, of which some are bad for D, for G or for both."""
    for step in steps:
        sides = bad.get(step, "")
        objective.d.fill_(torch.nan if "d" in sides else 1.0)
        objective.g.fill_(torch.inf if "g" in sides else 1.0)
        algorithm.update(step)
    objective.d.fill_(1.0)
    objective.g.fill_(1.0)
    return algorithm


def lasting(algorithm: Adversarial) -> dict[str, Any]:
    """What an update that is left out must not change."""
    state = copy.deepcopy({key: value for key, value in algorithm.state_dict().items() if key not in ONWARDS})
    state["judge"] = {key: value for key, value in state["judge"].items() if key not in ("noise", "augment")}
    for name in ("optimizer_d", "optimizer_g"):
        del state[name]["param_groups"]  # the learning rate is a function of the clock
    return state


@pytest.mark.parametrize("run", RUNS)
def test_with_nothing_to_skip_a_run_is_the_same_to_the_bit(run: str) -> None:
    states = []
    for policy in ("stop", "skip"):
        algorithm = played(*poisoned(*RUNS[run], f"train.non_finite={policy}"), range(5), {})
        scalars = dict(algorithm.report().scalars)
        states.append({**algorithm.state_dict(), "scalars": scalars})
        assert states[-1].pop("soundness") is not None
        if policy == "skip":
            assert scalars.pop("diagnosis/skipped") == 0.0
    assert_same(states[1], states[0], exact=True)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("at", [0, 3])
def test_a_step_left_out_changes_nothing_but_what_is_drawn(run: str, at: int) -> None:
    algorithm, objective = poisoned(*RUNS[run], SKIP)
    played(algorithm, objective, range(at), {})
    if at == 0 and algorithm._loss.constraint is not None:
        algorithm._loss.constraint.project(algorithm._parameters_d)  # it does, also after an update left out
    before = lasting(algorithm)
    played(algorithm, objective, range(at, at + 1), {at: "dg"})
    after = lasting(algorithm)
    if at == 0:  # Adam makes its moments at the first step: all zeros
        for name in ("optimizer_d", "optimizer_g"):
            moments = [value for value in _tensors(after.pop(name)) if value.ndim]
            assert not any(value.any() for value in moments)
            del before[name]
    assert_same(after, before, exact=True)
    played(algorithm, objective, range(at + 1, at + 3), {})
    assert algorithm.trouble() is None
    assert any(not torch.equal(a, b) for a, b in zip(_tensors(lasting(algorithm)), _tensors(after), strict=False))


def _tensors(state: Any) -> list[Tensor]:
    if isinstance(state, Tensor):
        return [state]
    values = state.values() if isinstance(state, dict) else state if isinstance(state, list) else ()
    return [tensor for value in values for tensor in _tensors(value)]


@pytest.mark.parametrize("side", ["d", "g"])
def test_each_network_is_skipped_by_itself(side: str) -> None:
    algorithm, objective = poisoned(*PLANE, "loss.d_steps=2", SKIP)
    played(algorithm, objective, range(2), {})
    before = lasting(algorithm)
    played(algorithm, objective, range(2, 3), {2: side})
    after = lasting(algorithm)
    of_d, of_g = ("judge", "optimizer_d"), ("generator", "average", "optimizer_g")
    same, changed = (of_d, of_g) if side == "d" else (of_g, of_d)
    for part in same:
        assert_same(after[part], before[part], exact=True)
    for part in changed:
        assert any(not torch.equal(a, b) for a, b in zip(_tensors(after[part]), _tensors(before[part]), strict=True))
    scalars = algorithm.report().scalars
    assert scalars["diagnosis/skipped"] == (2.0 if side == "d" else 1.0)
    assert math.isfinite(scalars["loss/d"])
    assert math.isfinite(scalars["loss/g"])


@pytest.mark.parametrize(
    "run", [run if run in QUICKLY_RECORDED else pytest.param(run, marks=pytest.mark.slow) for run in RUNS]
)
def test_recorded_steps_are_left_out_as_steps_that_run_as_they_are(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {1: "d", 5: "dg", 6: "g", 9: "d"}
    plain = played(*poisoned(*RUNS[run], SKIP), range(12), bad)
    recorder = FakeRecorder()
    monkeypatch.setattr(Device, "recorder", lambda self, generators: recorder)
    recorded = played(*poisoned(*RUNS[run], SKIP), range(12), bad)
    assert recorder.replayed >= 6
    assert_same(recorded.state_dict(), plain.state_dict(), exact=True)
    assert recorded.report().scalars["diagnosis/skipped"] == plain.report().scalars["diagnosis/skipped"] > 0


@pytest.mark.gpu
@pytest.mark.parametrize("run", RUNS)
def test_cuda_graphs_leave_out_what_steps_leave_out(run: str) -> None:
    bad = {1: "d", 5: "dg", 6: "g", 9: "d"}
    found = []
    for graph in ("true", "false"):
        options = ["device=cuda", f"device.graph={graph}", "device.precision=fp32", "device.tf32=false", SKIP]
        algorithm, objective = poisoned(*options, *RUNS[run])
        objective.d, objective.g = objective.d.cuda(), objective.g.cuda()
        found.append(played(algorithm, objective, range(12), bad))
    assert found[0]._run._recordings
    assert_same(found[0].state_dict(), found[1].state_dict(), exact=False)
    assert found[0].trouble() is None


@pytest.mark.parametrize("recorded", [False, True])
def test_the_device_remembers_the_first_bad_step(recorded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if recorded:
        monkeypatch.setattr(Device, "recorder", lambda self, generators: FakeRecorder())
    algorithm, objective = poisoned(*PLANE)
    played(algorithm, objective, range(8), {})
    assert algorithm.report().trouble is None
    played(algorithm, objective, range(8, 11), {9: "g"})
    found = algorithm.trouble()
    assert found is not None
    assert "at step 10" in found.message
    assert algorithm.report().trouble == found


def test_a_skipped_update_is_remembered_over_a_resume() -> None:
    bad = {2: "d", 5: "dg", 7: "g"}
    whole = played(*poisoned(*RUNS["adam, batch norm"], SKIP), range(10), bad)
    first = played(*poisoned(*RUNS["adam, batch norm"], SKIP), range(6), bad)
    second, objective = poisoned(*RUNS["adam, batch norm"], SKIP)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    played(second, objective, range(6, 10), bad)
    assert_same(second.state_dict(), whole.state_dict(), exact=True)
    assert dict(second.report().scalars) == pytest.approx(dict(whole.report().scalars), nan_ok=True)


def test_a_network_that_learns_nothing_more_is_trouble() -> None:
    algorithm, objective = poisoned(*PLANE, SKIP)
    played(algorithm, objective, range(4), {})
    algorithm.report()
    played(algorithm, objective, range(4, 13), dict.fromkeys(range(4, 13), "d"))
    assert algorithm.report().trouble is None  # 9 in a row may pass
    played(algorithm, objective, range(13, 15), dict.fromkeys(range(13, 15), "d"))
    found = algorithm.report().trouble
    assert found is not None
    assert found.since == 5
    assert "every update of D since step 5" in found.message


def test_huge_but_finite_tensors_are_no_trouble() -> None:
    huge = torch.full((8,), 3e38)
    assert trouble_in([("a", huge), ("n", torch.ones(2, dtype=torch.int64))]) is None
    found = trouble_in([("a", huge), ("b", torch.tensor([1.0, -torch.inf])), ("c", torch.tensor([torch.nan]))])
    assert found is not None
    assert found.message == "b is not finite"


# ---- whole runs

SMALL = (*TINY, "train.batch_size=8", "train.sample_count=4", "train.sample_every=0", "hydra.run.dir=run")
QUICK = (*SMALL, "train.steps=12", "train.log_every=4", "train.checkpoint_every=2")


@pytest.fixture
def bad(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, str]], None]:
    """Every run from here on is bad at these steps, counted from 0, for D, G or both; but not at a lowered rate."""

    def at(steps: dict[int, str]) -> None:
        make, update = Adversarial.__init__, Adversarial.update

        def made(self: Adversarial, **parts: Any) -> None:
            make(self, **parts)
            self._objective = Poisoned(self._objective)

        def updated(self: Adversarial, step: int) -> None:
            sides = steps.get(step, "") if self.optimizer_d.rate == 2e-4 else ""
            assert isinstance(self._objective, Poisoned)
            self._objective.d.fill_(torch.nan if "d" in sides else 1.0)
            self._objective.g.fill_(torch.nan if "g" in sides else 1.0)
            update(self, step)
            self._objective.d.fill_(1.0)
            self._objective.g.fill_(1.0)

        monkeypatch.setattr(Adversarial, "__init__", made)
        monkeypatch.setattr(Adversarial, "update", updated)

    return at


def summary() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("run/summary.json").read_text())
    return found


def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]


def last() -> dict[str, Any]:
    return checkpoint.load(Path("run/checkpoints/last.pt"))


Bad = Callable[[dict[int, str]], None]


def test_stop_leaves_the_last_good_checkpoint_and_the_bad_state_apart(bad: Bad, gan_train: Command) -> None:
    bad({4: "d"})
    done = gan_train(*QUICK)
    assert done.status == 4
    told = done.err.strip().splitlines()[-1]
    assert "training diverged at step 6: a loss was not finite at step 5" in told
    assert "the first tensor that was not finite: gradient of D's" in told
    assert "after step 5 (its state: run/not_finite/step_00000005.pt)" in told
    assert "Traceback" not in done.err
    assert (last()["step"], summary()["status"], summary()["step"]) == (4, "diverged", 6)
    kept = torch.load("run/not_finite/step_00000005.pt", weights_only=True)
    assert kept["step"] == 5
    names = [name for name, tensor in kept["tensors"].items() if not tensor.isfinite().all()]
    assert names[0].startswith("gradient of D's")
    assert f"not finite: {names[0]}," in told


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
    assert summary()["status"] == "completed"
    assert [line["step"] for line in lines()] == [4, 8, 12]


@pytest.mark.parametrize("log_every", [1, 3, 100])
def test_a_checkpoint_with_bad_numbers_is_never_saved(
    log_every: int, monkeypatch: pytest.MonkeyPatch, gan_train: Command
) -> None:
    """A weight goes bad with no loss to show for it yet."""
    update = Adversarial.update

    def updated(self: Adversarial, step: int) -> None:
        update(self, step)
        if step == 6:
            with torch.no_grad():
                next(iter(self.generator.parameters()))[0] = torch.inf

    monkeypatch.setattr(Adversarial, "update", updated)
    done = gan_train(*QUICK, "train.checkpoint_every=1", f"train.log_every={log_every}")
    assert done.status == 4
    assert "is not finite" in done.err
    assert last()["step"] == 6
    assert max(int(path.stem.removeprefix("step_")) for path in Path("run/checkpoints").glob("step_*.pt")) == 6


def test_trouble_that_does_not_come_again_leaves_the_present_state(
    monkeypatch: pytest.MonkeyPatch, gan_train: Command
) -> None:
    update, struck = Adversarial.update, []

    def updated(self: Adversarial, step: int) -> None:
        update(self, step)
        if step == 6 and not struck:
            struck.append(step)
            with torch.no_grad():
                next(iter(self.discriminator.parameters()))[0] = torch.nan

    monkeypatch.setattr(Adversarial, "update", updated)
    done = gan_train(*QUICK)
    assert done.status == 4
    assert "did not come again" in done.err
    assert "run/not_finite/step_00000008.pt" in done.err
    kept = torch.load("run/not_finite/step_00000008.pt", weights_only=True)
    assert any(not tensor.isfinite().all() for name, tensor in kept["tensors"].items() if name.startswith("D's"))


def test_rollback_of_such_numbers_alone(bad: Bad, gan_train: Command) -> None:
    bad({4: "g"})
    done = gan_train(*QUICK, "train.non_finite=rollback")
    assert done.status == 0, done.err
    assert "rollback 1 of 3: going on from step 4" in done.err
    assert summary()["status"] == "completed"
    assert "gradient of G's" in summary()["alarms"][0]["message"]
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
    assert [line["diagnosis/skipped"] for line in lines()] == [1.0, 2.0, 1.0]
    assert done.err.count("left out") == 1
    assert "step 4: 1 update was left out" in done.err
    assert summary()["alarms"] == []
    assert all(line["loss/d"] is not None and line["loss/g"] is not None for line in lines())


def test_skip_resumes_across_updates_left_out_to_the_bit(bad: Bad, gan_train: Command) -> None:
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
    assert "every update of D since step 5 was left out" in done.err
    assert "the first tensor that was not finite: gradient of D's" in done.err
    assert "after step 5" in done.err
    assert summary()["status"] == "diverged"


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
    steps = [checkpoint.load(Path(f"run/seed_{seed}/checkpoints/last.pt"))["step"] for seed in (0, 1)]
    assert steps == [12, 6]
    assert "no checkpoint of step 8: not all of it is finite" in done.err
