"""Micro-batches: their gradients, statistics and random numbers are those of the whole batch."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.algorithms.micro_batches import DividedStream, MicroBatches, chunk_rows, join_rows
from gan_cli.algorithms.single_optimizer import SingleOptimizerTrainer
from gan_cli.config.compose import compose, register
from gan_cli.errors import ConfigError
from gan_cli.protocols.data import Batch
from gan_cli.runtime.device import Device
from gan_cli.runtime.rng import SeededStream
from gan_cli.training import builder, planning
from tests.conftest import Command
from tests.helpers.recorders import FakeRecorder
from tests.helpers.single_optimizer import tensors_of

CPU = torch.device("cpu")
MLP = (
    "architecture=mlp",
    "architecture.generator_hidden=[16]",
    "architecture.discriminator_hidden=[16]",
    "architecture.norm_g=none",
)
# Adam divides by the root of the second moment, which in its first steps turns rounding errors into whole updates.
SGD = ("optimizer=sgd", "optimizer.lr=0.01")
RING, DIGITS = ("dataset=ring8", *MLP, *SGD), ("dataset=digits", *MLP, *SGD)
ENCODER = ("architecture.encoder_hidden=[8]", "architecture.generator_hidden=[8]", "architecture.latent_dim=2")
# No batch statistics forbid it: all losses, penalties, augmentations and families.
EQUAL: dict[str, tuple[str, ...]] = {
    "jsd": RING,
    "minimax": (*RING, "loss=minimax"),
    "wgan with its warm-up": (*RING, "loss=wgan", "loss.d_steps=2", "loss.warmup.d_steps=9"),
    "wgan-gp": (*RING, "loss=wgan_gp"),
    "lsgan": (*RING, "loss=lsgan"),
    "hinge, spectral norm": (*RING, "loss=hinge", "architecture.spectral_norm=true"),
    "relativistic": (*RING, "loss=rgan"),
    "relativistic, reused": (*RING, "loss=rgan", "loss.reuse=true", "loss.d_steps=2"),
    "r3gan: R1 and R2": (*DIGITS, "loss=r3gan"),
    "R1 alone": (*DIGITS, "loss/penalty=r1"),
    "roth": (*RING, "loss=roth"),
    "packs": (*RING, "pac=2", "loss=wgan_gp", "noise=constant"),
    "labels": (*DIGITS, "conditional=true", "loss=wgan_gp"),
    "adaptive noise": (*RING, "noise=adaptive"),
    "ada": (*DIGITS, "augment=ada", "noise=constant", "loss/penalty=r1"),
    "diffaugment, reused": (*DIGITS, "augment=diffaugment", "loss.reuse=true"),
    "convolutions": ("dataset=digits", "architecture=r3gan", "architecture.width=8", "loss=r3gan", *SGD),
    "autoencoder": ("algorithm=autoencoder", *ENCODER),
    "vae": ("algorithm=vae", *ENCODER),
    "diffusion": ("algorithm=diffusion", "dataset=ring8", "architecture=denoiser_mlp", "algorithm.sampling_steps=3"),
    "diffusion with labels": ("algorithm=diffusion", "architecture=denoiser_mlp", "conditional=true"),
}


def assembled(*overrides: str) -> GANTrainer | SingleOptimizerTrainer:
    register()
    fixed = ("device=cpu", "device.threads=1", "device.precision=fp32", "train.batch_size=16", "train.log_every=2")
    algorithm = builder.assemble(planning.plan(compose([*fixed, *overrides]).config))
    return cast(GANTrainer | SingleOptimizerTrainer, algorithm)


def updated(steps: int, *overrides: str) -> GANTrainer | SingleOptimizerTrainer:
    algorithm = assembled(*overrides)
    for step in range(steps):
        algorithm.update(step)
    return algorithm


def gradients(algorithm: GANTrainer | SingleOptimizerTrainer) -> Iterator[Tensor]:
    """The gradient of each network as one vector."""
    if isinstance(algorithm, GANTrainer):
        assert algorithm.gradients is not None
        found = [algorithm.gradients.d, algorithm.gradients.g]
    else:
        assert algorithm._gradients is not None
        found = [algorithm._gradients]
    for network in found:
        yield torch.cat([gradient.flatten() for gradient in network if gradient is not None])


@pytest.mark.parametrize("name", EQUAL)
def test_gradients_and_metrics_are_those_of_the_whole_batch(name: str) -> None:
    whole, divided = updated(1, *EQUAL[name]), updated(1, *EQUAL[name], "train.micro_batch=4")
    for expected, found in zip(gradients(whole), gradients(divided), strict=True):
        assert float((found - expected).norm() / expected.norm()) < 1e-5
    assert divided.images_seen == whole.images_seen
    metrics, found_metrics = whole.report().scalars, divided.report().scalars
    # Probes, and losses of held-out samples, draw numbers of their own.
    tags = [tag for tag in metrics if tag.startswith(("loss/", "d_", "d/", "grad_norm/", "noise/", "augment/"))]
    assert tags
    for tag in tags:
        if "held_out" not in tag:
            assert found_metrics[tag] == pytest.approx(metrics[tag], rel=1e-4, abs=1e-6), tag
    assert found_metrics.keys() == metrics.keys()


@pytest.mark.parametrize("size", [1, 2, 16])
def test_any_divisor_gives_the_same_gradient(size: int) -> None:
    whole, divided = updated(2, *RING), updated(2, *RING, f"train.micro_batch={size}")
    for expected, found in zip(gradients(whole), gradients(divided), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
        assert (size < 16) or torch.equal(found, expected)


def test_moments_of_codes_are_those_of_the_whole_batch() -> None:
    of_codes = [
        updated(2, *EQUAL["autoencoder"], *micro).state_dict()["codes"] for micro in ((), ("train.micro_batch=4",))
    ]
    for key in ("mean", "covariance"):
        torch.testing.assert_close(of_codes[1][key], of_codes[0][key], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("overrides", [(*DIGITS, "augment=ada", "loss=wgan_gp"), EQUAL["vae"]])
def test_captured_and_resumed_steps_are_bitwise_those_of_eager_ones(
    overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    divided = (*overrides, "train.micro_batch=4")
    plain = updated(6, *divided)
    recorder = FakeRecorder()
    monkeypatch.setattr(Device, "recorder", lambda self, rng_generators: recorder)
    recorded = updated(4, *divided)
    state = copy.deepcopy(recorded.state_dict())
    resumed = assembled(*divided)
    resumed.load_state_dict(state)
    expected = tensors_of(plain.state_dict())
    for algorithm in (recorded, resumed):
        for step in (4, 5):
            algorithm.update(step)
        for path, value in tensors_of(algorithm.state_dict()).items():
            assert torch.equal(value, expected[path]) if isinstance(value, Tensor) else value == expected[path], path
    assert recorder.replayed


@pytest.mark.parametrize("name", ["vae", "autoencoder", "diffusion"])
def test_held_out_samples_pass_in_parts_no_larger_than_a_micro_batch(name: str) -> None:
    algorithm = updated(1, *EQUAL[name], "train.micro_batch=4")
    assert isinstance(algorithm, SingleOptimizerTrainer)
    assert algorithm._held_out_parts(85) == (84, 21)
    assert algorithm._held_out_parts(3) == (3, 1)
    assert algorithm._held_out_parts(10_000) == (512, 128)
    assert updated(1, *EQUAL["vae"])._held_out_parts(85) == (85, 1)  # type: ignore[union-attr]
    sizes: list[int] = []
    for module in algorithm.ema.network.modules():
        module.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    algorithm.report()
    assert sizes
    assert max(sizes) <= 4


def test_part_that_is_not_finite_skips_the_whole_update() -> None:
    algorithm = assembled(*RING, "train.micro_batch=4", "train.non_finite=skip")
    assert isinstance(algorithm, GANTrainer)
    algorithm.update(0)
    before = copy.deepcopy(algorithm.discriminator.state_dict())
    d_loss, calls = algorithm.objective.d_loss, iter(range(1000))
    algorithm.objective.d_loss = lambda real, fake: (  # type: ignore[method-assign]
        d_loss(real, fake) * (torch.nan if next(calls) == 1 else 1.0)
    )
    algorithm.update(1)
    assert all(torch.equal(value, before[name]) for name, value in algorithm.discriminator.state_dict().items())
    assert len(algorithm.ring_buffers["real"].values()) == 1
    assert len(algorithm.ring_buffers["game_fake"].values()) == 2


def test_streams_serve_the_rows_that_the_whole_batch_draws() -> None:
    whole, micro_batches = SeededStream(0, "name", CPU), MicroBatches(4)
    divided = DividedStream(SeededStream(0, "name", CPU), micro_batches, 8)
    expected: list[Any] = [whole.normal(8, 3), whole.uniform(16, 2), whole.integers(9, 8), whole.normal(8, 3)]
    # Of 16 rows, two batches of 8 concatenated, a part has two rows of each.
    found: list[list[Tensor]] = [[], [], []]
    for part in micro_batches.divide(torch.arange(8)):
        assert len(part) == 2
        found[0].append(divided.normal(2, 3))
        found[1].append(divided.uniform(4, 2))
        found[2].append(divided.integers(9, 2))
    assert torch.equal(torch.cat(found[0]), expected[0])
    pairs = [each.chunk(2) for each in found[1]]
    assert torch.equal(torch.cat([pair[0] for pair in pairs] + [pair[1] for pair in pairs]), expected[1])
    assert torch.equal(torch.cat(found[2]), expected[2])
    assert torch.equal(divided.normal(8, 3), expected[3]), "outside of parts it draws as it is asked"


def test_rows_of_dataclasses_are_divided_and_joined() -> None:
    batch = Batch(torch.arange(6.0).reshape(6, 1), torch.arange(6))
    parts = list(chunk_rows(batch, 3))
    assert [part.labels.tolist() for part in parts if part.labels is not None] == [[0, 1], [2, 3], [4, 5]]
    again = join_rows(parts)
    assert torch.equal(again.samples, batch.samples)
    assert [part.labels for part in chunk_rows(replace(batch, labels=None), 2)] == [None, None]


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            ["train.batch_size=100", "train.micro_batch=30"],
            "train.micro_batch: expected a divisor of 100, train.batch_size, such as 25 or 50, got 30",
        ),
        (["train.micro_batch=32"], "train.micro_batch: expected a divisor of 16, train.batch_size, such as 16, got 32"),
        (
            ["train.micro_batch=2", "pac=4"],
            "train.micro_batch: expected a divisor of 16, train.batch_size, and a multiple of pac=4, such as 4, got 2",
        ),
        (
            ["train.micro_batch=4", "loss/top_k=exponential"],
            "train.micro_batch: expected null with loss/top_k, which ranks a whole batch",
        ),
        (
            ["train.micro_batch=4", "train.replicas=2"],
            "train.replicas: expected 1 with train.micro_batch, whose parts are not those of the runs",
        ),
        (
            ["train.micro_batch=4", "algorithm=vae", "architecture=vae", "dataset=digits", "algorithm.free_bits=0.1"],
            "train.micro_batch: expected null with algorithm.free_bits, a floor of the mean over a whole batch",
        ),
        (
            ["train.micro_batch=4", "algorithm=seqgan", "dataset=oracle", "architecture=lstm"],
            "train.micro_batch: expected null for SeqGAN, which does not use it, got 4",
        ),
        (
            ["train.micro_batch=1", "dataset=digits", "architecture.norm_d=batch"],
            "train.micro_batch: expected at least 2 samples for batch norm in the discriminator, got 1",
        ),
    ],
)
def test_sizes_that_do_not_go_together_are_rejected(overrides: list[str], line: str) -> None:
    register()
    data = [] if any(each.startswith("dataset=") for each in overrides) else ["dataset=ring8"]
    given = [] if any(each.startswith("train.batch_size=") for each in overrides) else ["train.batch_size=16"]
    with pytest.raises(ConfigError) as caught:
        planning.plan(compose(["architecture=mlp_small", *data, *given, *overrides]).config)
    assert str(caught.value) == line


def test_first_lines_say_what_is_taken_over_a_micro_batch(gan_train: Command) -> None:
    small = ("dataset=digits", "architecture=mlp", "architecture.generator_hidden=[8,8]", "loss=dragan")
    command = (*small, "train.batch_size=8", "train.micro_batch=4", "train.steps=1", "train.sample_every=0")
    done = gan_train(*command)
    assert done.status == 0, done.err
    assert "training for 1 steps of batch size 8, 4 samples at once" in done.err
    note = "over 4 samples, not over 8: batch norm of the generator, the standard deviation of DRAGAN"
    assert f"train.micro_batch: {note}" in done.err
    assert f"micro-batches   {note}" in gan_train(*command, "dry_run=true").out
    plain = gan_train("dataset=ring8", *MLP, "train.batch_size=8", "train.micro_batch=4", "train.steps=1")
    assert "train.micro_batch: over" not in plain.err
