"""Recorded steps: equal to steps run as they are, whatever the step reads of the host; and what happens if not."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.errors import ConfigError
from gan_cli.runtime import cuda_graphs
from gan_cli.runtime.cuda_graphs import CapturedGraph, CudaGraphRecorder, GraphedSteps, Result
from gan_cli.runtime.device import Device
from tests.conftest import log_messages
from tests.helpers.gans import assembled
from tests.helpers.recorders import FakeRecorder

PLANE = (
    "dataset=ring8",
    "train.batch_size=8",
    "architecture.latent_dim=4",
    "architecture.generator_hidden=[8]",
    "architecture.discriminator_hidden=[8]",
)
DIGITS = ("train.batch_size=8", "architecture.generator_hidden=[8,8]", "architecture.discriminator_hidden=[8,8]")
STREAMED = ("device.data=streamed",)
RUNS = {
    "jsd": PLANE,
    "wgan": (*PLANE, "loss=wgan"),
    "wgan_gp": (*PLANE, "loss=wgan_gp"),
    "r3gan, lazy": (*PLANE, "loss=r3gan", "loss.penalty.r1.every=2", "loss.penalty.r2.every=3"),
    "roth, annealed": (*PLANE, "loss=roth", "loss/anneal=linear", "loss.anneal.steps=8"),
    "warm-up": (*PLANE, "loss=wgan", "loss.warmup.enabled=true", "loss.warmup.d_steps=9", "loss.warmup.every=4"),
    "noise, decay": (*PLANE, "noise=linear", "noise.start=0.5", "noise.steps=8", "optimizer/decay=linear"),
    "top-k": (*PLANE, "loss/top_k=exponential"),
    "packs": (*PLANE, "pac=2"),
    "sgd": (*PLANE, "optimizer=sgd"),
    "swiss roll": ("dataset=swiss_roll", *PLANE[1:]),
    "fixed points": (*PLANE, "dataset.count=100"),
    "digits": DIGITS,
    "spectral norm": (*DIGITS, "loss=hinge", "architecture.spectral_norm=true", "loss.d_steps=2"),
    "reuse": (*DIGITS, "loss.reuse=true", "loss=rgan", "conditional=true", "loss.d_steps=2"),
    "digits, streamed": (*DIGITS, *STREAMED),
    "conditional": (*DIGITS, "conditional=true", "loss.d_steps=2"),
    "conditional, streamed": (*DIGITS, *STREAMED, "conditional=true", "loss=rgan", "loss.d_steps=3"),
    "dcgan": ("architecture=dcgan", "architecture.width=4", "train.batch_size=8", "loss.d_steps=2"),
    "resnet": (
        "architecture=resnet",
        "architecture.width_g=4",
        "architecture.width_d=4",
        "train.batch_size=8",
        "loss=hinge",
    ),
    "ada": (
        "architecture=dcgan",
        "architecture.width=4",
        "train.batch_size=8",
        "augment=ada",
        "augment.target=-0.9",
        "augment.every=3",
        "augment.images=100",
    ),
    "all of ada": (
        "architecture=dcgan",
        "architecture.width=4",
        "train.batch_size=8",
        "augment=ada",
        "augment.filter=true",
        "augment.noise=true",
        "augment.cutout=true",
        "augment.probability=0.5",
        "augment.images=1000",
    ),
}
STEPS = 12


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> FakeRecorder:
    """Records the steps of every algorithm that is assembled from here on."""
    made = FakeRecorder()
    monkeypatch.setattr(Device, "recorder", lambda self, rng_generators: made)
    return made


def assert_same(found: Any, expected: Any, exact: bool, path: str = "") -> None:
    """Two states are equal, bitwise or within a tolerance."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), path
        for key, value in expected.items():
            assert_same(found[key], value, exact, f"{path}/{key}")
    elif isinstance(expected, torch.Tensor):
        tolerance = {"rtol": 0.0, "atol": 0.0} if exact else {"rtol": 2e-3, "atol": 2e-4}
        torch.testing.assert_close(found.cpu(), expected.cpu(), **tolerance, msg=lambda text: f"{path}: {text}")
    elif isinstance(expected, (list, tuple)):
        for index, (a, b) in enumerate(zip(found, expected, strict=True)):
            assert_same(a, b, exact, f"{path}/{index}")
    elif isinstance(expected, float):
        assert found == (expected if exact else pytest.approx(expected, rel=2e-3, abs=2e-4)), path
    else:
        assert found == expected, path


def trained(algorithm: GANTrainer, steps: range) -> GANTrainer:
    for step in steps:
        algorithm.update(step)
        if step % 5 == 4:
            algorithm.report()
    return algorithm


@pytest.mark.parametrize("run", RUNS)
def test_recorded_steps_are_bitwise_equal_to_eager_steps(run: str, recorder: FakeRecorder) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Device, "recorder", lambda self, rng_generators: None)
        plain = trained(assembled(*RUNS[run]), range(STEPS))
    algorithm = trained(assembled(*RUNS[run]), range(STEPS))
    assert recorder.recorded >= 1
    assert recorder.replayed >= (3 if run == "r3gan, lazy" else 6)
    assert_same(algorithm.state_dict(), plain.state_dict(), exact=True)
    assert_same(dict(algorithm.report().scalars), dict(plain.report().scalars) | waiting(algorithm), exact=True)


def waiting(algorithm: GANTrainer) -> dict[str, Any]:
    """The one figure that is not a function of the step."""
    return {} if algorithm.sampler.waited is None else {"speed/data_wait": pytest.approx(0.5, abs=0.5)}


def test_resumed_run_records_again_and_is_bitwise_equal(recorder: FakeRecorder) -> None:
    whole = trained(assembled(*RUNS["warm-up"]), range(STEPS)).state_dict()
    first = trained(assembled(*RUNS["warm-up"]), range(7))
    second = assembled(*RUNS["warm-up"])
    second.load_state_dict(first.state_dict())
    assert_same(trained(second, range(7, STEPS)).state_dict(), whole, exact=True)


def test_steps_are_recorded_anew_when_a_state_is_loaded(recorder: FakeRecorder) -> None:
    algorithm = trained(assembled(*RUNS["noise, decay"]), range(6))
    state = copy.deepcopy(algorithm.state_dict())
    expected = copy.deepcopy(trained(algorithm, range(6, 10)).state_dict())
    recorded = recorder.recorded
    algorithm.load_state_dict(state)
    assert_same(trained(algorithm, range(6, 10)).state_dict(), expected, exact=True)
    assert recorder.recorded > recorded


# ---- the seam


class Unable:
    """A recorder that cannot."""

    def warm_up(self, launch: Callable[[], Result]) -> Result:
        return launch()

    def rehearse(self, launch: Callable[[], Result]) -> tuple[Result, str | None]:
        return launch(), None

    def capture(self, launch: Callable[[], Result]) -> CapturedGraph[Result]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore of the same")


def test_step_that_cannot_be_recorded_runs_as_it_is_and_one_line_says_why(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("gan_cli"), "propagate", True)
    steps: list[int] = []
    run: GraphedSteps[None] = GraphedSteps(Unable())
    for step in range(6):
        run("kind", lambda step=step: steps.append(step))
    assert steps == [0, 1, 2, 3, 4, 5]
    (message,) = log_messages(caplog)
    assert message.startswith("device.graph: steps run as they are")
    assert message.endswith("operation not permitted when stream is capturing")


class Reading(FakeRecorder):
    """A recorder that finds a step which reads from the device."""

    def rehearse(self, launch: Callable[[], Result]) -> tuple[Result, str | None]:
        return self.warm_up(launch), "the step reads from the device, or waits for it, at loss.py:7"


def test_step_that_reads_from_the_device_is_never_captured(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("gan_cli"), "propagate", True)
    recorder, steps = Reading(), list[int]()
    run: GraphedSteps[None] = GraphedSteps(recorder)
    for step in range(6):
        run("kind", lambda step=step: steps.append(step))
    assert steps == [0, 1, 2, 3, 4, 5]
    assert (recorder.warmed_up, recorder.recorded) == (2, 0)
    (message,) = log_messages(caplog)
    assert message.endswith("not recorded: the step reads from the device, or waits for it, at loss.py:7")


@pytest.mark.parametrize(
    ("raised", "obstacle"),
    [
        ([], None),
        (["lr_scheduler is called early"], None),
        (["called a synchronizing CUDA operation"], f"the step reads from the device, or waits for it, at {__file__}:"),
    ],
)
def test_rehearsal_finds_operations_that_wait_for_the_device(
    raised: list[str], obstacle: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[object] = []

    def set_mode(mode: object) -> None:
        modes.append(mode)
        warnings.warn(
            "Synchronization debug mode is a prototype feature and does not yet detect all synchronizing operations",
            stacklevel=1,
        )

    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", set_mode)
    monkeypatch.setattr(CudaGraphRecorder, "__init__", lambda self: None)
    monkeypatch.setattr(CudaGraphRecorder, "warm_up", lambda self, launch: launch())
    recorder = CudaGraphRecorder()  # type: ignore[call-arg]

    def step() -> int:
        for message in raised:
            warnings.warn(message, stacklevel=1)
        return 5

    with warnings.catch_warnings(record=True) as passed_on:
        warnings.simplefilter("always")
        result, found = recorder.rehearse(step)
    assert result == 5
    assert modes == ["warn", 0]
    assert (found or "").startswith(obstacle or "")
    assert (found is None) is (obstacle is None)
    assert [str(each.message) for each in passed_on] == (raised if obstacle is None else [])


@pytest.mark.gpu
def test_a_loss_that_reads_from_the_device_trains_eagerly_and_the_next_run_is_captured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = ["device=cuda", "device.graph=true", *RUNS["jsd"]]
    algorithm = assembled(*options)
    d_loss = type(algorithm.objective).d_loss

    def reading(self: Any, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        loss = d_loss(self, real, fake)
        return loss * (1.0 if loss.detach().mean().item() > -1 else 2.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(algorithm.objective), "d_loss", reading)
        trained(algorithm, range(STEPS))
    assert not algorithm._captured_step._graphs
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert trained(assembled(*options), range(STEPS))._captured_step._graphs


def test_kinds_are_recorded_apart_and_no_more_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graphs, "MAX_GRAPHS", 2)
    recorder, done = FakeRecorder(), torch.zeros(3)
    run: GraphedSteps[None] = GraphedSteps(recorder)

    def count(kind: int) -> None:
        done[kind].add_(1)

    for kind in [0, 1, 2] * 8:
        run(kind, partial(count, kind))
    assert done.tolist() == [8, 8, 8]
    assert (recorder.recorded, recorder.replayed) == (2, 12)


def test_graphs_are_refused_where_there_is_no_cuda() -> None:
    with pytest.raises(ConfigError, match=r"device\.graph: expected false or null on cpu"):
        assembled("device.graph=true")


# ---- the real thing


@pytest.mark.gpu
@pytest.mark.parametrize("run", RUNS)
def test_cuda_graph_equals_eager_within_tolerance(run: str) -> None:
    found = []
    for graph in ("true", "false"):
        options = ["device=cuda", f"device.graph={graph}", "device.precision=fp32", "device.tf32=false"]
        found.append(trained(assembled(*options, *RUNS[run]), range(STEPS)))
    assert found[0]._captured_step._graphs
    states = [algorithm.state_dict() for algorithm in found]
    assert_same(states[0], states[1], exact=False)


@pytest.mark.gpu
@pytest.mark.parametrize("run", ["wgan_gp", "digits, streamed", "conditional"])
def test_cuda_graph_resumes_exactly(run: str) -> None:
    options = ["device=cuda", "device.deterministic=true"]
    whole = trained(assembled(*options, *RUNS[run]), range(STEPS)).state_dict()
    first = trained(assembled(*options, *RUNS[run]), range(7))
    second = assembled(*options, *RUNS[run])
    second.load_state_dict(first.state_dict())
    assert_same(trained(second, range(7, STEPS)).state_dict(), whole, exact=True)


@pytest.mark.gpu
def test_bf16_graph_follows_fp32() -> None:
    losses = {}
    for precision in ("bf16", "fp32"):
        algorithm = assembled("device=cuda", f"device.precision={precision}", *RUNS["dcgan"])
        losses[precision] = trained(algorithm, range(4)).report().scalars["loss/d"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)
