"""Runs trained as one equal the same runs trained alone, within float tolerance, in all they report and save."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.launches import Work, counting
from gan_cli.algorithms.gan import reports
from gan_cli.algorithms.gan.replicas import Replicas
from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.config.compose import compose, register
from gan_cli.errors import ConfigError
from gan_cli.runtime.device import Device
from gan_cli.training import builder, planning
from tests.helpers.recorders import FakeRecorder

PLANE = (
    "dataset=ring8",
    "train.batch_size=8",
    "architecture.latent_dim=4",
    "architecture.generator_hidden=[8,8]",
    "architecture.discriminator_hidden=[8,8]",
    "architecture=mlp_small",  # whichever data: that of grid25 has a latent for each branch
    "train.sample_count=4",
)
DIGITS = (
    "train.batch_size=8",
    "architecture.generator_hidden=[8,8]",
    "architecture.discriminator_hidden=[8,8]",
    "train.sample_count=4",
)
RUNS = {
    "jsd": PLANE,
    "wgan": (*PLANE, "loss=wgan"),
    "sgd, decay": (*PLANE, "optimizer=sgd", "optimizer/decay=linear", "optimizer.decay.steps=8"),
    "r3gan, lazy": (*PLANE, "loss=r3gan", "optimizer.lr=2e-4", "loss.penalty.r1.every=2"),
    "roth": (*PLANE, "loss=roth", "loss/anneal=linear", "loss.anneal.steps=8"),
    "noise": (*PLANE, "noise=linear", "noise.start=0.5", "noise.steps=8", "loss.d_steps=2"),
    "packs": (*PLANE, "pac=2", "loss.reuse=true"),
    "branches": (*PLANE, "architecture.codes=2", "architecture.octaves_d=2", "loss=hinge"),
    # Not by Adam: a bias before batch norm has a gradient of nothing but rounding, which Adam would make a step of.
    "digits, batch norm": (*DIGITS, "loss.d_steps=3", "optimizer=sgd", "optimizer.lr=0.01"),
    "conditional": (*DIGITS, "conditional=true", "optimizer=sgd", "optimizer.lr=0.01"),
    "convolutions": (
        "architecture=dcgan",
        "architecture.width=4",
        "device.precision=fp32",
        DIGITS[0],
        DIGITS[-1],
        "optimizer=sgd",
        "optimizer.lr=0.01",
    ),
    "maxout": (
        "dataset=grid25",
        "architecture=maxout",
        "architecture.generator_hidden=[8]",
        "architecture.discriminator_hidden=[8]",
        *PLANE[1:3],
        PLANE[-1],
    ),
}
SEEDS, STEPS = (3, 4, 5), 10


def planned(*overrides: str) -> planning.Plan:
    register()
    return planning.plan(compose(["device=cpu", *overrides]).config)


def replicas(*overrides: str, count: int = len(SEEDS)) -> Replicas:
    return builder.assemble_replicas(planned(f"seed={SEEDS[0]}", f"train.replicas={count}", *overrides))


def single(seed: int, *overrides: str) -> GANTrainer:
    algorithm = builder.assemble(planned(f"seed={seed}", *overrides))
    assert isinstance(algorithm, GANTrainer)
    return algorithm


def assert_close(found: Any, expected: Any, path: str = "", atol: float = 2e-4) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), path
        for key, value in expected.items():
            if (path, key) != ("", "random") and key != "gradient_norms":
                assert_close(found[key], value, f"{path}/{key}", atol)
    elif isinstance(expected, torch.Tensor):
        torch.testing.assert_close(found, expected, rtol=2e-3, atol=atol, msg=lambda text: f"{path}: {text}")
    elif isinstance(expected, (list, tuple)):
        for index, (a, b) in enumerate(zip(found, expected, strict=True)):
            assert_close(a, b, f"{path}/{index}", atol)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=5e-3, abs=1e-3), path
    else:
        assert found == expected, path


@pytest.mark.parametrize("run", RUNS)
def test_each_replica_equals_the_run_alone(run: str) -> None:
    together = replicas(*RUNS[run])
    alone = [single(seed, *RUNS[run]) for seed in SEEDS]
    for step in range(STEPS):
        together.update(step)
        for each in alone:
            each.update(step)
        if step == 4:
            found = together.report()
            for report, each in zip(found, alone, strict=True):
                assert_close(dict(report.scalars), dict(each.report().scalars))
    for state, each in zip(together.states(), alone, strict=True):
        assert_close(state, each.state_dict())
    for report, preview, each in zip(together.report(), together.preview(), alone, strict=True):
        assert_close(dict(report.scalars), dict(each.report().scalars))
        torch.testing.assert_close(
            torch.from_numpy(preview.samples), torch.from_numpy(each.preview().samples), rtol=1e-3, atol=1e-3
        )
    assert together.images_seen == alone[0].images_seen


def test_streams_of_a_replica_are_bitwise_equal_to_those_of_the_run_alone() -> None:
    run = RUNS["noise"]
    together, alone = replicas(*run), single(SEEDS[1], *run)
    for step in range(3):
        together.update(step)
        alone.update(step)
    found, expected = together.states()[1], alone.state_dict()
    assert torch.equal(found["random"]["latents"], expected["random"]["latents"])
    assert torch.equal(found["judge"]["noise"], expected["judge"]["noise"])
    assert torch.equal(found["sampler"]["generator"], expected["sampler"]["generator"])


def test_a_replica_goes_on_alone_from_what_it_saved() -> None:
    run = RUNS["sgd, decay"]
    together, alone = replicas(*run), single(SEEDS[2], *run)
    for step in range(5):
        together.update(step)
    alone.load_state_dict(copy.deepcopy(together.states()[2]))
    for step in range(5, STEPS):
        together.update(step)
        alone.update(step)
    assert_close(together.states()[2], alone.state_dict())


def test_replicas_do_not_touch_each_other() -> None:
    """The first two of three are, to the tolerance, the two of two: and all three differ."""
    found = {count: replicas(*PLANE, count=count) for count in (2, 3)}
    for each in found.values():
        for step in range(STEPS):
            each.update(step)
    states = {count: each.states() for count, each in found.items()}
    for index in range(2):
        assert_close(states[3][index]["generator"], states[2][index]["generator"])
    weights = [state["generator"]["body.0.weight"] for state in states[3]]
    assert not torch.allclose(weights[0], weights[1], atol=0.05)
    assert not torch.allclose(weights[1], weights[2], atol=0.05)


def test_recorded_steps_of_replicas_equal_those_run_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RUNS["digits, batch norm"]
    plain = replicas(*run)
    recorder = FakeRecorder()
    monkeypatch.setattr(Device, "recorder", lambda self, rng_generators: recorder)
    recorded = replicas(*run)
    for step in range(STEPS):
        plain.update(step)
        recorded.update(step)
    assert recorder.replayed == STEPS - 2
    for found, expected in zip(recorded.states(), plain.states(), strict=True):
        for name, value in expected["generator"].items():
            assert torch.equal(found["generator"][name], value), name


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("loss=wgan_gp", "penalty gradient"),
        ("loss=dragan", "penalty dragan"),
        ("loss/top_k=exponential", "top_k"),
        ("device.compile=true", "compile"),
        ("device.channels_last=true", "channels_last"),
        ("architecture.spectral_norm=true", "spectral norm"),
    ],
)
def test_what_cannot_be_stacked_is_refused(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"train\.replicas: expected 1.*{words}"):
        replicas(*PLANE, override)


@pytest.mark.gpu
@pytest.mark.parametrize("run", ["jsd", "wgan", "digits, batch norm"])
def test_replicas_on_cuda_equal_runs_alone(run: str) -> None:
    options = ("device=cuda", "device.precision=fp32", "device.tf32=false")
    together, alone = replicas(*RUNS[run], *options), single(SEEDS[1], *RUNS[run], *options)
    for step in range(STEPS):
        together.update(step)
        alone.update(step)
    # Batched products are other kernels there than single ones, and Adam's first steps depend on a gradient's sign.
    assert_close(together.states()[1]["generator"], alone.state_dict()["generator"], atol=5e-3)


class _Reads(TorchDispatchMode):
    """Counts what the host waits for: numbers and arrays that it reads from tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


def test_reports_of_many_runs_read_the_device_as_often_as_those_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, transfers = [], Counter[int]()
    monkeypatch.setattr(
        "gan_cli.algorithms.gan.replicas.transfer",
        lambda each: (transfers.update([len(each)]), reports.transfer(each))[1],
    )
    for number in (2, 5):
        together = replicas(*PLANE, "loss=hinge", count=number)
        for step in range(3):
            together.update(step)
        with _Reads() as reads:
            found = together.report()
        assert len(found) == number
        counts.append(reads.count)
    assert counts[0] == counts[1]
    assert transfers == {2: 1, 5: 1}


@pytest.mark.parametrize("dataset", ["ring8", "grid25", "swiss_roll", "two_moons", "parallel_lines"])
def test_points_of_many_runs_are_computed_at_once_from_the_numbers_of_each(dataset: str) -> None:
    launches = []
    for number in (2, 5):
        together = replicas(*PLANE, f"dataset={dataset}", count=number)
        singles = [single(SEEDS[0] + index, *PLANE, f"dataset={dataset}") for index in range(number)]
        work = Work()
        with counting(work):
            found = together._trainer.sampler.take(2).samples
        launches.append(work.launches)
        expected = torch.stack([run.sampler.take(2).samples.view(2, 8, 2) for run in singles], dim=1)
        torch.testing.assert_close(found.view(2, number, 8, 2), expected, rtol=1e-6, atol=1e-6)
    drawn = {"randn", "rand", "randint"}
    assert {name: count for name, count in launches[0].items() if name not in drawn} == {
        name: count for name, count in launches[1].items() if name not in drawn
    }
