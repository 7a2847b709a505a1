from __future__ import annotations

import pytest
import torch

from gan_cli.algorithms.seqgan.gumbel_softmax import sample_relaxed, soft_one_hot, straight_through_one_hot
from gan_cli.architectures.language_model import nll
from gan_cli.architectures.lstm import LSTMLanguageModel
from gan_cli.runtime.rng import SeededStream

CPU = torch.device("cpu")


def writer(vocabulary: int = 3) -> LSTMLanguageModel:
    torch.manual_seed(0)
    network = LSTMLanguageModel(vocabulary, 2, 2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    return network


def random(seed: int = 0) -> SeededStream:
    return SeededStream(seed, "numbers", CPU)


def test_mixtures_lie_in_the_simplex_and_are_largest_as_often_as_likely() -> None:
    logits = torch.tensor([0.3, -1.0, 1.2, 0.0])
    soft = soft_one_hot(logits.expand(40_000, -1), random().uniform(40_000, 4), 0.7)
    assert (soft >= 0).all()
    torch.testing.assert_close(soft.sum(1), torch.ones(40_000))
    frequencies = soft.argmax(1).bincount(minlength=4) / 40_000
    torch.testing.assert_close(frequencies, logits.softmax(0), atol=0.01, rtol=0)


@pytest.mark.parametrize("extreme", [0.0, 1.0 - 2**-24])
def test_extreme_numbers_do_no_harm(extreme: float) -> None:
    assert soft_one_hot(torch.zeros(1, 3), torch.full((1, 3), extreme), 0.5).isfinite().all()


def test_low_temperatures_give_one_token_and_high_ones_all() -> None:
    logits, numbers = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)), random().uniform(50, 6)
    cold, hot = soft_one_hot(logits, numbers, 1e-4), soft_one_hot(logits, numbers, 1e4)
    torch.testing.assert_close(cold, straight_through_one_hot(cold), atol=1e-3, rtol=0)
    torch.testing.assert_close(hot, torch.full((50, 6), 1 / 6), atol=1e-2, rtol=0)


def test_straight_through_is_one_hot_with_the_slope_of_the_mixture() -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    soft = soft_one_hot(logits, random().uniform(5, 4), 0.8)
    hard = straight_through_one_hot(soft)
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    assert (hard.sum(1) == 1).all()
    assert (hard.argmax(1) == soft.argmax(1)).all()
    (slope,) = torch.autograd.grad((hard * weights).sum(), logits, retain_graph=True)
    (expected,) = torch.autograd.grad((soft * weights).sum(), logits)
    torch.testing.assert_close(slope, expected)


@pytest.mark.parametrize("straight_through", [False, True])
def test_gradient_reaches_all_of_the_language_model(straight_through: bool) -> None:
    network = writer(5)
    sequences = sample_relaxed(network, 8, 4, random(), relaxation=1.0, straight_through=straight_through)
    assert sequences.shape == (8, 4, 5)
    (sequences * torch.randn(5)).sum().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_hard_sequences_come_as_often_as_they_are_likely() -> None:
    network = writer()
    with torch.no_grad():
        sequences = sample_relaxed(network, 30_000, 3, random(), relaxation=0.5, straight_through=True)
    everything = torch.cartesian_prod(*[torch.arange(3)] * 3)
    powers = torch.tensor([9, 3, 1])
    frequencies = (sequences.argmax(2) @ powers).bincount(minlength=27) / 30_000
    likely = nll(network, everything).sum(1).neg().exp()
    torch.testing.assert_close(frequencies, likely, atol=0.015, rtol=0)


def test_gradient_at_low_temperature_is_nearly_that_of_the_expectation() -> None:
    logits = torch.tensor([0.5, -0.2, 0.1], requires_grad=True)
    values = torch.tensor([1.0, -1.0, 0.5])
    soft = soft_one_hot(logits.expand(200_000, -1), random().uniform(200_000, 3), 0.2)
    (slope,) = torch.autograd.grad((soft @ values).mean(), logits)
    (exact,) = torch.autograd.grad(logits.softmax(0) @ values, logits)
    torch.testing.assert_close(slope, exact, atol=0.05, rtol=0)


def test_after_the_end_there_is_nothing_but_the_end() -> None:
    sequences = sample_relaxed(writer(), 100, 6, random(), relaxation=0.5, straight_through=False, end=1).detach()
    for row in sequences:
        tokens = row.argmax(1).tolist()
        if 1 in tokens:
            after = row[tokens.index(1) + 1 :]
            assert (after == torch.tensor([0.0, 1.0, 0.0])).all()
