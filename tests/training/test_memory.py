"""What a run needs is added up from its plan, before anything is allocated, and refused with the figure."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gan_cli.config.compose import compose, register
from gan_cli.errors import ConfigError, OutOfMemoryError
from gan_cli.telemetry.quantities import format_bytes
from gan_cli.training import memory, planning
from gan_cli.training.memory import MemoryNeed
from tests.conftest import TINY, Command


def planned(*overrides: str) -> planning.Plan:
    register()
    return planning.plan(compose(["device=cpu", *overrides]).config)


def test_sum_holds_weights_gradients_moments_average_and_batches() -> None:
    plan = planned("dataset=ring8", *TINY, "train.sample_every=0", "diagnostics.every=0", "train.batch_size=16")
    g, d = (sum(each.numel() for each in network.parameters()) for network in plan.outline.networks.values())
    # Widths of layers, of whose outputs a backward pass needs half; one batch of real samples is drawn.
    sample = 2 * sum(layer.out_features for layer in _linear(plan.outline.networks.values()))
    assert sorted(plan.memory.on_device.values()) == sorted([4 * (4 * (g + d) + g), 16 * sample, 16 * 4 * 2])
    assert plan.memory.on_host == {}
    twice = planned("dataset=ring8", *TINY, "train.sample_every=0", "diagnostics.every=0", "train.batch_size=16",
                    "train.replicas=2")  # fmt: skip
    assert twice.memory.total == 2 * plan.memory.total


def _linear(networks):  # type: ignore[no-untyped-def]
    return [layer for network in networks for layer in network.modules() if isinstance(layer, torch.nn.Linear)]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["architecture.generator_hidden=[65536,65536]"],
            "for weights, gradients and moments (architecture, optimizer)",
        ),
        (["train.batch_size=1000000"], "for activations (train.batch_size=1000000)"),
        (
            ["train.batch_size=1000000", "train.micro_batch=100000"],
            "for activations (train.batch_size=1000000, train.micro_batch=100000)",
        ),
        (["train.sample_count=100000"], "for sample grids (train.sample_count=100000)"),
        (["train.eval_every=1", "evaluation.samples=1000000"], "for evaluations (evaluation.samples=1000000)"),
        (["dataset=ring8", "dataset.count=10000000"], "for the data (dataset.count)"),
        (["train.replicas=1000", "architecture.latent_dim=1000"], "train.replicas=1000"),
    ],
)
def test_run_that_does_not_fit_costs_one_line_with_the_figure(
    overrides: list[str], words: str, gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda device: 2**20)
    done = gan_train("architecture=mlp", "dataset=ring8", *overrides, "hydra.run.dir=run")
    last = done.err.splitlines()[-1]
    assert done.status == 2, done.err
    assert last.startswith("gan-train: not enough memory: this run needs at least ")
    assert ", and cpu has 1.0 MiB left: " in last
    assert words in last
    assert list(workplace.iterdir()) == []


def test_dry_run_shows_the_sum_also_of_a_run_for_a_larger_machine(
    gan_train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda device: 1)
    done = gan_train("dry_run=true", "dataset=ring8", *TINY)
    assert any(line.startswith("memory          ") and line.endswith(" or more") for line in done.out.splitlines())


def test_device_and_host_are_asked_each_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda device: 10 if device.type == "cuda" else 100)
    MemoryNeed({"for weights": 10}, {"for the data": 100}).require_available(torch.device("cuda", 0))
    with pytest.raises(OutOfMemoryError, match=r"at least 11 bytes, and cuda has 10 bytes left: 11 bytes for weights$"):
        MemoryNeed({"for weights": 11}, {}).require_available(torch.device("cuda", 0))
    with pytest.raises(OutOfMemoryError, match="cpu has 100 bytes left"):
        MemoryNeed({"for weights": 10}, {"for the data": 100}).require_available(torch.device("cpu"))


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1536, "1.5 KiB"), (2**30, "1.0 GiB"), (2**70, "1,024.0 EiB")],
)
def test_sizes_in_words(size: int, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["train.batch_size=1"], "expected at least 2 samples for batch norm in the discriminator, got 1"),
        (
            ["train.batch_size=4", "pac=4"],
            "expected at least 8 samples in two packs of pac=4 for batch norm in ",
        ),
        (
            ["architecture=mlp", "train.batch_size=1"],
            "expected at least 2 samples for batch norm in the generator",
        ),
    ],
)
def test_batch_norm_of_one_sample_is_refused_before_anything_is_written(
    overrides: list[str], words: str, gan_train: Command, workplace: Path
) -> None:
    done = gan_train(*overrides, "hydra.run.dir=run")
    assert done.status == 2
    assert done.err.splitlines()[-1].startswith(f"gan-train: train.batch_size: {words}")
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("overrides", [["architecture.norm_g=none"], ["architecture.norm_g=layer"]])
def test_batch_of_one_trains_without_batch_norm(overrides: list[str], gan_train: Command, workplace: Path) -> None:
    done = gan_train("dataset=ring8", *TINY, "train.batch_size=1", "train.steps=2", *overrides, "hydra.run.dir=run")
    assert done.status == 0, done.err


@pytest.mark.parametrize(("gibibytes", "count"), [(64, 128), (2, 36), (0.5, 16)])
def test_probe_follows_the_memory_that_there_is_and_the_batch(
    gibibytes: float, count: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda device: int(gibibytes * 2**30))
    plan = planned("architecture=dcgan", "architecture.width=256", "train.batch_size=16", "dry_run=true")
    need = MemoryNeed({"networks": 2**29}, {})
    assert memory.probe_samples(plan.config, need, 3.5 * 2**20, plan.device.torch_device) == count
    assert ("memory is short" in caplog.text) is (count < 128)


def test_probe_is_whole_where_memory_is_not_short() -> None:
    assert planned("dataset=ring8", *TINY).probe_samples == 128


def test_batch_norm_is_over_the_part_of_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    planned("architecture=mlp", "train.batch_size=8")
    with pytest.raises(ConfigError, match="expected at least 8 samples on each of 4 processes for batch norm in the"):
        planned("architecture=mlp", "train.batch_size=4")
    planned("architecture=mlp", "train.batch_size=4", "device.sync_batch_norm=true")
