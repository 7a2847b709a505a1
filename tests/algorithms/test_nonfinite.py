"""Updates whose numbers are not finite: noticed on the device without waiting, or left out of a step."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.algorithms.inspection import find_nonfinite
from gan_cli.runtime.device import Device
from tests.helpers.gans import assembled
from tests.helpers.nonfinite_losses import Poisoned
from tests.helpers.recorders import FakeRecorder
from tests.runtime.test_cuda_graphs import DIGITS, PLANE, assert_same

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
# What continues whether an update is made or not: what is drawn, the clock, and the counts.
ONWARDS = {"random", "sampler", "progress", "gradient_norms", "soundness"}


def poisoned(*overrides: str) -> tuple[GANTrainer, Poisoned]:
    algorithm = assembled(*overrides)
    objective = Poisoned(algorithm.objective)
    algorithm.objective = objective
    return algorithm, objective


def played(algorithm: GANTrainer, objective: Poisoned, steps: range, bad: dict[int, str]) -> GANTrainer:
    """Steps, of which some are bad for D, for G or for both."""
    for step in steps:
        sides = bad.get(step, "")
        objective.d.fill_(torch.nan if "d" in sides else 1.0)
        objective.g.fill_(torch.inf if "g" in sides else 1.0)
        algorithm.update(step)
    objective.d.fill_(1.0)
    objective.g.fill_(1.0)
    return algorithm


def lasting(algorithm: GANTrainer) -> dict[str, Any]:
    """What an update that is left out must not change."""
    state = copy.deepcopy({key: value for key, value in algorithm.state_dict().items() if key not in ONWARDS})
    state["judge"] = {key: value for key, value in state["judge"].items() if key not in ("noise", "augment")}
    for name in ("optimizer_d", "optimizer_g"):
        del state[name]["param_groups"]  # the learning rate is a function of the clock
    return state


@pytest.mark.parametrize("run", RUNS)
def test_with_nothing_to_skip_a_run_is_bitwise_equal(run: str) -> None:
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
        algorithm._loss.constraint.project(algorithm.optimizer_d.parameters)  # it does, also after an update left out
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
    assert algorithm.nonfinite() is None
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
    monkeypatch.setattr(Device, "recorder", lambda self, rng_generators: recorder)
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
    assert found[0]._captured_step._graphs
    assert_same(found[0].state_dict(), found[1].state_dict(), exact=False)
    assert found[0].nonfinite() is None


@pytest.mark.parametrize("recorded", [False, True])
def test_the_device_remembers_the_first_bad_step(recorded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if recorded:
        monkeypatch.setattr(Device, "recorder", lambda self, rng_generators: FakeRecorder())
    algorithm, objective = poisoned(*PLANE)
    played(algorithm, objective, range(8), {})
    assert algorithm.report().nonfinite is None
    played(algorithm, objective, range(8, 11), {9: "g"})
    found = algorithm.nonfinite()
    assert found is not None
    assert "at step 10" in found.message
    assert algorithm.report().nonfinite == found


def test_a_skipped_update_is_remembered_over_a_resume() -> None:
    bad = {2: "d", 5: "dg", 7: "g"}
    whole = played(*poisoned(*RUNS["adam, batch norm"], SKIP), range(10), bad)
    first = played(*poisoned(*RUNS["adam, batch norm"], SKIP), range(6), bad)
    second, objective = poisoned(*RUNS["adam, batch norm"], SKIP)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    played(second, objective, range(6, 10), bad)
    assert_same(second.state_dict(), whole.state_dict(), exact=True)
    assert dict(second.report().scalars) == pytest.approx(dict(whole.report().scalars), nan_ok=True)


def test_a_network_that_is_stuck_is_reported() -> None:
    algorithm, objective = poisoned(*PLANE, SKIP)
    played(algorithm, objective, range(4), {})
    algorithm.report()
    played(algorithm, objective, range(4, 13), dict.fromkeys(range(4, 13), "d"))
    assert algorithm.report().nonfinite is None  # 9 in a row may pass
    played(algorithm, objective, range(13, 15), dict.fromkeys(range(13, 15), "d"))
    found = algorithm.report().nonfinite
    assert found is not None
    assert found.since == 5
    assert "every update of D since step 5" in found.message


def test_huge_but_finite_tensors_are_not_reported() -> None:
    huge = torch.full((8,), 3e38)
    assert find_nonfinite([("a", huge), ("n", torch.ones(2, dtype=torch.int64))]) is None
    found = find_nonfinite([("a", huge), ("b", torch.tensor([1.0, -torch.inf])), ("c", torch.tensor([torch.nan]))])
    assert found is not None
    assert found.message == "b is not finite"
