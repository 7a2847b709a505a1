"""``loss=wgan`` makes the four changes of the WGAN paper (Arjovsky et al. 2017, algorithm 1), each on its own here."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.components.optimizers import RMSprop
from gan_cli.config.compose import compose, register
from gan_cli.protocols.data import Batch
from gan_cli.training import builder, planning

C = 0.01
SMALL = (
    # Points have settings of their own.
    "dataset=digits",
    "architecture=mlp",
    "device=cpu",
    "train.batch_size=8",
    "architecture.generator_hidden=[8]",
    "architecture.discriminator_hidden=[8,8]",
)


def planned(*overrides: str) -> planning.Plan:
    register()
    return planning.plan(compose([*SMALL, "loss=wgan", *overrides]).config)


def assembled(*overrides: str) -> GANTrainer:
    algorithm = builder.assemble(planned(*overrides))
    assert isinstance(algorithm, GANTrainer)
    return algorithm


def flattened(network: torch.nn.Module) -> torch.Tensor:
    """All weights in one tensor of their own."""
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def largest_weight(network: torch.nn.Module) -> float:
    return float(flattened(network).abs().max())


def clip_once(network: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.clamp_(-C, C)


# ---- 1. no sigmoid


def test_reported_scores_are_critic_values_without_bounds() -> None:
    algorithm = assembled("loss.constraint=null")
    last_layer = algorithm.discriminator.head
    with torch.no_grad():
        last_layer.bias.fill_(70.0)
    algorithm.update(0)
    report = algorithm.report()
    assert report.scalars["d_real/mean"] == pytest.approx(70.0, abs=5.0)
    assert report.scalars["d_fake/mean"] == pytest.approx(70.0, abs=5.0)
    assert "divergence/wasserstein" in report.scalars


# ---- 2. no logarithm


def test_losses_are_linear_in_the_logits() -> None:
    objective = planned().loss.objective
    start, change = torch.randn(2, 16, dtype=torch.float64)
    for loss in (
        lambda logits: objective.g_loss(torch.zeros_like(logits), logits),
        lambda logits: objective.d_loss(logits, torch.zeros_like(logits)),
        lambda logits: objective.d_loss(torch.zeros_like(logits), logits),
    ):
        second_difference = loss(start + change) - 2 * loss(start) + loss(start - change)
        assert second_difference.abs().max() < 1e-12
        assert (loss(start + change) - loss(start)).abs().min() > 0


# ---- 3. clipping


def test_all_weights_of_d_lie_within_c_after_every_update_of_d(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = assembled()
    original, seen = GANTrainer.update_discriminator, []

    def spied(self: GANTrainer, *arguments: Any) -> None:
        original(self, *arguments)
        seen.append(largest_weight(self.discriminator))

    monkeypatch.setattr(GANTrainer, "update_discriminator", spied)
    assert largest_weight(algorithm.discriminator) > C
    for step in range(4):
        algorithm.update(step)
    assert len(seen) == 20
    # The largest weight stands at the bound: the critic would leave it, were it not held back.
    assert seen == pytest.approx([C] * 20, rel=1e-6)


def test_weights_leave_the_range_without_the_constraint() -> None:
    algorithm = assembled("loss.constraint=null")
    clip_once(algorithm.discriminator)
    algorithm.update(0)
    assert largest_weight(algorithm.discriminator) > 1.01 * C


def test_generator_is_not_clipped() -> None:
    algorithm = assembled()
    algorithm.update(0)
    assert largest_weight(algorithm.generator) > 2 * C


# ---- 4. RMSProp


def test_both_networks_are_trained_by_rmsprop_at_5e_5() -> None:
    algorithm = assembled()
    for optimizer in (algorithm.optimizer_d.optimizer, algorithm.optimizer_g.optimizer):
        # That this is RMSProp, whatever torch calls it, is tested in tests/components/test_optimizers.py.
        assert [(group["lr"], group["betas"]) for group in optimizer.param_groups] == [(5e-5, (0.0, 0.99))]
    assert isinstance(planned().optimizer, RMSprop)


def test_command_line_wins_over_the_optimizer_that_wgan_selects() -> None:
    assert isinstance(
        planned("optimizer=adam").optimizer.for_generator([torch.zeros(1, requires_grad=True)]).optimizer,
        torch.optim.Adam,
    )


# ---- and what comes along: five critic steps, and the warm-up of the authors' code


def test_critic_makes_five_steps_on_fresh_batches_for_each_of_g() -> None:
    algorithm = assembled()
    draw, drawn = algorithm.sampler.take, []

    def spied(batches: int) -> Batch:
        batch = draw(batches)
        drawn.extend(batch.samples.chunk(batches))
        return batch

    algorithm.sampler.take = spied
    before = flattened(algorithm.generator)
    for step in range(3):
        algorithm.update(step)
    assert len(drawn) == 15
    assert len({tuple(samples.flatten().tolist()) for samples in drawn}) == 15
    assert algorithm.images_seen == 15 * 8
    # RMSProp's first three steps move a weight by at most lr * (10 + 10 + 10): G made three, not fifteen.
    assert 0 < float((flattened(algorithm.generator) - before).abs().max()) <= 30 * 5e-5


def test_warm_up_gives_d_100_steps_in_the_first_25_and_every_500th() -> None:
    d_steps = planned("loss.warmup.enabled=true").loss.d_steps
    assert [step for step in range(1600) if d_steps(step) == 100] == [*range(25), 500, 1000, 1500]
    assert {d_steps(step) for step in range(1600)} == {5, 100}
    assert d_steps.largest == 100


def test_warm_up_is_off_by_default() -> None:
    d_steps = planned().loss.d_steps
    assert {d_steps(step) for step in range(600)} == {5}
