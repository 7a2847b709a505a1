"""The policy gradient: what a token is worth is what D says of the sequences that go on from it (Yu et al. 2017)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from gan_cli.algorithms.seqgan.estimators import GeneratorContext, GeneratorLoss, score
from gan_cli.architectures.language_model import (
    LanguageModel,
    LSTMState,
    TokenSampler,
    repeat_end,
    sample_sequences,
    token_mask,
    weighted_nll,
)
from gan_cli.errors import require
from gan_cli.protocols.rng import Stream

# Sequences that D judges at a time.
ROLLOUT_BATCH = 1024


@dataclass(frozen=True)
class Rollouts:
    """Every beginning of a sequence is written to its end several times, by a policy that follows G slowly.

    Attributes:
        count: times that each beginning is written to its end.
        update_rate: share of its own weights that the policy keeps at each round; 0: it is G itself.
        baseline: take off what a token is worth the mean of that over the other sequences of the batch: the same
            expected gradient, and much less variance.
    """

    count: int = 16
    update_rate: float = 0.8
    baseline: bool = False

    def __post_init__(self) -> None:
        require(self.count >= 1, "count", self.count, "an integer >= 1")
        require(0 <= self.update_rate <= 1, "update_rate", self.update_rate, "a number from 0 to 1")

    def bind(self, context: GeneratorContext) -> PolicyGradient:
        """Estimates for the scene's writer."""
        return PolicyGradient(self, context)


class PolicyGradient:
    """REINFORCE with a reward for each token (Yu et al. 2017, eqs. 4 and 8)."""

    def __init__(self, settings: Rollouts, context: GeneratorContext) -> None:
        self._settings = settings
        self._context = context
        self._writer = cast(nn.Module, context.writer)
        self.policy = copy.deepcopy(self._writer).requires_grad_(False)
        self._policy_initialized = False

    def estimate(self, round_: int) -> GeneratorLoss:
        """Of sequences that G writes now."""
        context, settings = self._context, self._settings
        if not self._policy_initialized:  # what G has learnt before the game
            self._approach(0.0)
            self._policy_initialized = True
        uniform = context.random.uniform(context.batch_size, context.length)
        tokens = sample_sequences(context.writer, uniform, context.end, context.temperature)
        policy = cast(LanguageModel, self.policy)
        worth = rewards(self._score, policy, tokens, settings.count, context.random, context.end, context.temperature)
        valued = without_mean(worth, token_mask(tokens, context.end)) if settings.baseline else worth
        return GeneratorLoss(
            policy_loss(context.writer, tokens, valued, context.end, context.temperature), worth[:, -1].mean()
        )

    def after_round(self) -> None:
        """The policy goes part of the way to G."""
        self._approach(self._settings.update_rate)

    def state_dict(self) -> dict[str, Any]:
        """The policy's weights."""
        return {"policy": self.policy.state_dict(), "begun": self._policy_initialized}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.policy.load_state_dict(state["policy"])
        self._policy_initialized = bool(state["begun"])

    def _score(self, tokens: Tensor) -> Tensor:
        return score(self._context.objective, self._context.discriminator(tokens))

    @torch.no_grad()
    def _approach(self, kept: float) -> None:
        for own, of_g in zip(self.policy.parameters(), self._writer.parameters(), strict=True):
            own.lerp_(of_g, 1.0 - kept)


@torch.no_grad()
def complete_prefixes(
    policy: LanguageModel, tokens: Tensor, count: int, random: Stream, end: int | None, temperature: float = 1.0
) -> Tensor:
    """Every beginning of sequences ``(N, T)``, written to its end ``count`` times.

    At each place all beginnings that reach there go on together, as rows of one batch.

    Returns:
        ``(T - 1, count, N, T)``: number ``s`` of the first dimension keeps the first ``s + 1`` tokens.
    """
    many, length = tokens.shape
    rows = count * many
    sampler = TokenSampler.of(policy, temperature)
    written = tokens.expand(length - 1, count, many, length).contiguous().flatten(0, 2)
    prefix = policy.initial_state(many)
    hidden = prefix.hidden.new_empty(len(written), prefix.hidden.shape[1])
    cell = torch.empty_like(hidden)
    for place in range(1, length):
        prefix = policy.step(tokens[:, place - 1], prefix)
        new, going = slice((place - 1) * rows, place * rows), slice(0, place * rows)
        hidden[new], cell[new] = prefix.hidden.repeat(count, 1), prefix.cell.repeat(count, 1)
        chosen = sampler.sample(hidden[going], random.uniform(place * rows))
        written[going, place] = chosen = repeat_end(chosen, written[going, place - 1], end)
        if place < length - 1:
            state = policy.step(chosen, LSTMState(hidden[going], cell[going]))
            hidden[going], cell[going] = state.hidden, state.cell
    return written.view(length - 1, count, many, length)


@torch.no_grad()
def rewards(
    judge: Callable[[Tensor], Tensor],
    policy: LanguageModel,
    tokens: Tensor,
    count: int,
    random: Stream,
    end: int | None,
    temperature: float = 1.0,
) -> Tensor:
    """What each token of ``(N, T)`` is worth, ``(N, T)``: the mean judgement of ``count`` roll-outs (eq. 4).

    Args:
        judge: ``(M, T) -> (M,)``, the higher the better.
        policy: writes the roll-outs.
        tokens: the sequences; the last token of each is worth what D says of the whole.
        count: roll-outs from each token.
        random: draws them.
        end: the token that ends a sequence, if there is one.
        temperature: that the policy's logits are divided by.
    """
    many, length = tokens.shape
    of_whole = judge(tokens)
    if length == 1:
        return of_whole[:, None]
    sequences = complete_prefixes(policy, tokens, count, random, end, temperature).flatten(0, 2)
    judged = torch.cat([judge(rows) for rows in torch.split(sequences, ROLLOUT_BATCH)])
    of_parts = judged.view(length - 1, count, many).mean(1)
    return torch.cat([of_parts, of_whole[None]]).t()


def without_mean(worth: Tensor, token_mask: Tensor) -> Tensor:
    """``(N, T)`` less the mean of the *other* sequences at each place: a baseline that leaves the mean unbiased.

    Args:
        worth: ``(N, T)``.
        counted: ``(N, T)``, 1 where there is a token, 0 behind the end.
    """
    total, there = (worth * token_mask).sum(0), token_mask.sum(0)
    others = (total - worth * token_mask) / (there - token_mask).clamp(min=1.0)
    # Whoever is alone at a place has nothing to be compared with.
    return worth - torch.where(there - token_mask > 0, others, 0.0)


def policy_loss(
    writer: LanguageModel, tokens: Tensor, worth: Tensor, end: int | None, temperature: float = 1.0
) -> Tensor:
    """What has the gradient of ``-E[D]``: ``sum_t worth_t * -log p(token_t)``, mean over sequences (eq. 8).

    Args:
        writer: the model that wrote ``tokens``.
        tokens: ``(N, T)``.
        worth: ``(N, T)``.
        end: the token that ends a sequence; what is behind it counts nothing.
        temperature: that it wrote them at.
    """
    loss, _ = weighted_nll(writer, tokens, worth * token_mask(tokens, end) / len(tokens), temperature)
    return loss
