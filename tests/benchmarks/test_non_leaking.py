"""Augmentations that D sees half of the time do not show in G's samples; those that it always sees do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.non_leaking import SIDE, arrow, direction_shares, draw, draw_arrows, overrides
from gan_cli.components.ada.pipeline import Ada
from gan_cli.config.compose import compose, register
from gan_cli.config.nodes import Node
from gan_cli.protocols.adversarial import Augmentation
from gan_cli.runtime.rng import SeededStream
from tests.conftest import Command


def trained(gan_train: Command, probability: float, seed: int) -> float:
    """Train on arrows that point up; returns the share of G's samples that do."""
    run = f"p_{probability}_seed_{seed}"
    done = gan_train(*overrides(Path("arrows"), probability, seed), f"hydra.run.dir={run}", "device=cpu")
    assert done.status == 0, done.err
    return float(direction_shares(draw(Path(run)))[0])


@pytest.mark.slow
def test_only_augmentations_that_are_always_there_leak(gan_train: Command, workplace: Path) -> None:
    draw_arrows(workplace / "arrows")
    assert trained(gan_train, 0.5, 0) > 0.98
    assert trained(gan_train, 0.5, 1) > 0.98
    # Any direction is as good as another to D, and G comes to one of them, or to several.
    assert np.mean([trained(gan_train, 1.0, seed) for seed in range(3)]) < 0.7


def test_what_d_sees_of_the_arrows(workplace: Path) -> None:
    """At p = 0.5 most arrows still point up, at 1 a quarter of them."""
    register()
    up = torch.from_numpy(arrow()).expand(20_000, 1, SIDE, SIDE)
    for probability in (0.0, 0.5, 1.0):
        config = compose(overrides(workplace, probability, 0)).config
        augment = Node.parse(dict(config.augment), "augment", Augmentation).build()
        assert isinstance(augment, Ada)
        seen = direction_shares(augment(up, SeededStream(0, "test", torch.device("cpu"))).numpy())
        expected = probability / 4 + np.array([1 - probability, 0, 0, 0])
        assert np.abs(seen - expected).max() < 0.015


def test_directions_of_noisy_arrows_are_recognised() -> None:
    random = np.random.default_rng(0)
    for quarters in range(4):
        turned = np.rot90(arrow(), quarters) + random.normal(0, 0.2, (50, 1, SIDE, SIDE))
        assert direction_shares(turned * 2 - 1)[quarters] == 1
