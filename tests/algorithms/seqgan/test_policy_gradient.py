from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gan_cli.algorithms.seqgan.policy_gradient import (
    Rollouts,
    complete_prefixes,
    policy_loss,
    rewards,
    subtract_baseline,
)
from gan_cli.architectures.language_model import nll, sample_sequences
from gan_cli.architectures.lstm import LSTMLanguageModel
from gan_cli.errors import InvalidValueError
from gan_cli.runtime.rng import SeededStream

CPU = torch.device("cpu")
VOCABULARY, LENGTH = 3, 3


def writer(seed: int = 0, vocabulary: int = VOCABULARY) -> LSTMLanguageModel:
    torch.manual_seed(seed)
    network = LSTMLanguageModel(vocabulary, 2, 2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    return network


def score(tokens: Tensor) -> Tensor:
    """Anything that depends on all tokens and their order."""
    return ((tokens * torch.tensor([1, 3, 9])).sum(1) * 2.3).sin().float() * 0.5 + 0.5


def random(seed: int = 0) -> SeededStream:
    return SeededStream(seed, "numbers", CPU)


def everything() -> Tensor:
    return torch.cartesian_prod(*[torch.arange(VOCABULARY)] * LENGTH)


def expected_gradient(network: LSTMLanguageModel) -> list[Tensor]:
    """Of E[D(x)] over all sequences, each with its probability."""
    logits = network(everything()).log_softmax(2)
    likely = logits.gather(2, everything()[:, :, None]).sum((1, 2)).exp()
    return list(torch.autograd.grad((likely * score(everything())).sum(), list(network.parameters())))


@pytest.mark.parametrize("baseline", [False, True])
def test_the_mean_of_estimates_is_the_gradient_over_all_sequences(baseline: bool) -> None:
    network, numbers = writer(), random(1)
    exact = expected_gradient(network)
    estimates = []
    for _ in range(400):
        tokens = sample_sequences(network, numbers.uniform(64, LENGTH))
        worth = rewards(score, network, tokens, 2, numbers, None)
        if baseline:
            worth = subtract_baseline(worth, torch.ones_like(worth))
        loss = policy_loss(network, tokens, worth, None)
        estimates.append([-slope for slope in torch.autograd.grad(loss, list(network.parameters()))])
    for place, slope in enumerate(exact):
        each = torch.stack([estimate[place] for estimate in estimates])
        error = each.std(0) / len(each) ** 0.5
        assert ((each.mean(0) - slope).abs() <= 4.5 * error + 1e-6).all()


def test_the_baseline_takes_off_variance() -> None:
    network = writer()

    def deviation(baseline: bool) -> float:
        numbers, slopes = random(2), []
        for _ in range(100):
            tokens = sample_sequences(network, numbers.uniform(32, LENGTH))
            worth = rewards(score, network, tokens, 2, numbers, None)
            worth = subtract_baseline(worth, torch.ones_like(worth)) if baseline else worth
            loss = policy_loss(network, tokens, worth, None)
            slopes.append(torch.autograd.grad(loss, network.vocabulary_b)[0])
        return float(torch.stack(slopes).var(0).sum())

    assert deviation(True) < 0.5 * deviation(False)


def test_rollouts_keep_what_they_go_on_from() -> None:
    network = writer(vocabulary=7)
    tokens = sample_sequences(network, torch.rand(5, 6, generator=torch.Generator().manual_seed(0)))
    sequences = complete_prefixes(network, tokens, 4, random(), None)
    assert sequences.shape == (5, 4, 5, 6)
    for place in range(5):
        kept = sequences[place, :, :, : place + 1]
        assert (kept == tokens[:, : place + 1]).all()
    assert (sequences[0] != tokens).any()


def test_rollouts_come_as_often_as_the_policy_writes_them() -> None:
    network = writer(seed=4)
    tokens = torch.tensor([[2, 0, 0]])
    sequences = complete_prefixes(network, tokens, 20_000, random(), None)
    likely = nll(network, everything()).neg().exp()
    matches = everything()[:, 0] == 2
    names = everything()[matches] @ torch.tensor([0, 3, 1])
    frequencies = (sequences[0, :, 0] @ torch.tensor([0, 3, 1])).bincount(minlength=9) / 20_000
    torch.testing.assert_close(frequencies[names], likely[matches, 1:].prod(1), atol=0.02, rtol=0)


def test_a_token_is_worth_the_mean_of_what_may_follow() -> None:
    network = writer()
    tokens = torch.tensor([[1, 2, 0], [0, 0, 1]])
    worth = rewards(score, network, tokens, 20_000, random(), None)
    torch.testing.assert_close(worth[:, -1], score(tokens))
    likely = nll(network, everything()).neg().exp()
    for row, sentence in enumerate(tokens):
        for place in range(1, LENGTH):
            matches = (everything()[:, :place] == sentence[:place]).all(1)
            exact = (likely[matches, place:].prod(1) * score(everything()[matches])).sum()
            assert float(worth[row, place - 1]) == pytest.approx(float(exact), abs=0.02)


def test_what_is_after_the_end_stays_and_counts_nothing() -> None:
    network = writer(vocabulary=4)
    tokens = torch.tensor([[1, 2, 2], [1, 1, 0]])
    sequences = complete_prefixes(network, tokens, 8, random(), 2)
    assert (sequences[1, :, 0] == tokens[0]).all()
    free = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    other = free.clone()
    other[0, 2] += 5.0
    losses = [policy_loss(network, tokens, worth, 2) for worth in (free, other)]
    torch.testing.assert_close(*losses)


def test_whoever_is_alone_is_compared_with_nobody() -> None:
    worth = torch.tensor([[1.0, 5.0], [3.0, 9.0]])
    there = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    assert subtract_baseline(worth, there)[:, 0].tolist() == [-2.0, 2.0]
    assert float(subtract_baseline(worth, there)[0, 1]) == 5.0


def test_sequences_of_one_token_need_no_rollouts() -> None:
    network = writer()
    tokens = torch.tensor([[1], [2]])
    worth = rewards(lambda rows: rows[:, 0].float(), network, tokens, 3, random(), None)
    assert worth.tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize("wrong", [{"count": 0}, {"update_rate": 1.5}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        Rollouts(**wrong)  # type: ignore[arg-type]
