"""GANs that are conditional on vectors: in lockstep, in previews, and a ring whose angle is the condition."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.algorithms.previews import LabelGrid
from gan_cli.config.compose import compose, register
from gan_cli.errors import ConfigError
from gan_cli.protocols.conditions import ConditionKind, VectorCondition
from gan_cli.training import builder, planning
from tests.helpers.conditional_points import AngleRing, LabelledPoints, angle_errors

SMALL = (
    "device=cpu",
    "device.precision=fp32",
    "dataset=ring8",
    "train.batch_size=8",
    "architecture=mlp_small",
    "architecture.latent_dim=4",
    "architecture.generator_hidden=[8,8]",
    "architecture.discriminator_hidden=[8,8]",
    "train.sample_count=4",
    "optimizer=sgd",
    "optimizer.lr=0.01",
)
SOURCES = {"numbers": AngleRing(count=64), "several": LabelledPoints(count=64)}


def plan_of(dataset: Any, *overrides: str) -> planning.Plan:
    """The plan of a GAN on a dataset that has no option."""
    register()
    planned = planning.plan(compose([*SMALL, *overrides]).config)
    return replace(planned, dataset=dataset, config=replace(planned.config, conditional=True))


@pytest.mark.parametrize("kind", SOURCES)
def test_each_replica_equals_the_run_alone(kind: str) -> None:
    dataset = SOURCES[kind]
    together = builder.assemble_replicas(plan_of(dataset, "train.replicas=2"))
    alone = builder.assemble(plan_of(dataset, "seed=1"))
    for step in range(4):
        together.update(step)
        alone.update(step)
    found, expected = together.states()[1], alone.state_dict()
    assert found["classes"] == expected["classes"]
    for network in ("generator", "average"):
        for name, value in expected[network].items():
            torch.testing.assert_close(found[network][name], value, rtol=1e-4, atol=1e-5)


def test_labels_of_generated_samples_are_those_of_the_data() -> None:
    trainer = builder.assemble(plan_of(LabelledPoints(count=64)))
    assert isinstance(trainer, GANTrainer)
    held = {tuple(row) for row in LabelledPoints(count=64)._held().tolist()}
    labels = trainer._sample_labels()
    assert labels is not None
    assert labels.shape == (8, 2)
    assert {tuple(row) for row in labels.tolist()} <= held


def test_previews_go_over_the_ranges_of_numbers_and_have_a_row_for_each_label() -> None:
    trainer = builder.assemble(plan_of(AngleRing(count=64)))
    preview = trainer.preview()
    assert preview.columns == 8
    assert [name.startswith("angle ") for name in preview.row_names] == [True] * 8
    grid = LabelGrid.of(trainer.context)  # type: ignore[attr-defined]
    assert grid is not None
    low, high = trainer.context.condition.ranges[0]  # type: ignore[attr-defined]
    assert np.allclose(grid.labels[:8, 0], np.linspace(low, high, 8))
    assert grid.latents.tolist() == [row for row in range(8) for _ in range(8)]
    several = builder.assemble(plan_of(LabelledPoints(count=64))).preview()
    assert several.row_names == ("right", "up")


def test_of_several_numbers_each_row_goes_over_one() -> None:
    two = VectorCondition(ConditionKind.numbers, ("a", "b"), ((0.0, 2.0), (10.0, 20.0)))
    grid = LabelGrid._of_numbers(two, 9)
    assert grid.labels.reshape(3, 3, 2).tolist() == [
        [[0, 15], [1, 15], [2, 15]],
        [[1, 10], [1, 15], [1, 20]],
        [[0, 15], [1, 15], [2, 15]],
    ]
    assert grid.latents.tolist() == [0] * 6 + [1] * 3


def test_an_architecture_for_classes_alone_is_refused_before_anything_is_trained() -> None:
    class Own:
        latent_dim = 2

        def generator(self, shape: tuple[int, ...], classes: int) -> torch.nn.Module: ...

        def discriminator(self, shape: tuple[int, ...], classes: int) -> torch.nn.Module: ...

    with pytest.raises(ConfigError, match=r"1 numbers, but Own\.generator is for classes alone"):
        builder.assemble(replace(plan_of(AngleRing(count=64)), architecture=Own()))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_samples_lie_at_angles_never_seen(seed: int) -> None:
    """A ring whose angle is the condition: 0.02 rad on average after 1,000 steps; the noise alone gives 0.016."""
    dataset = AngleRing()
    register()
    options = ("dataset=ring8", "device=cpu", "train.steps=1000", f"seed={seed}", "device.data=resident")
    planned = planning.plan(compose(options).config)
    trainer = builder.assemble(replace(planned, dataset=dataset, config=replace(planned.config, conditional=True)))
    assert isinstance(trainer, GANTrainer)
    for step in range(1000):
        trainer.update(step)
    angles = ((np.arange(36) + 0.5) / 36 * 2 * math.pi).repeat(50).astype(np.float32)
    with torch.no_grad():
        z = torch.randn(len(angles), trainer.latent_dim, generator=torch.Generator().manual_seed(seed))
        samples = dataset.coordinates(trainer.ema.network(z, torch.from_numpy(angles)[:, None]).numpy())
    errors = angle_errors(samples, angles)
    assert errors.mean() < 0.04
    assert errors.reshape(36, 50).mean(1).max() < 0.1
    assert np.abs(np.linalg.norm(samples, axis=1) - 1).mean() < 0.05
