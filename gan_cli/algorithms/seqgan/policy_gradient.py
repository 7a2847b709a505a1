"""The policy gradient, with D's mean score of the roll-outs from a token as its reward (Yu et al. 2017)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

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
from gan_cli.components.ranges import Range, Share, check_ranges
from gan_cli.protocols.rng import Stream

# Roll-outs that D scores in one forward pass.
ROLLOUT_BATCH = 1024


@dataclass(frozen=True)
class Rollouts:
    """Monte Carlo roll-outs: a policy, which is a moving average of G, completes every prefix several times.

    Attributes:
        count: roll-outs from each prefix.
        update_rate: decay of the policy's moving average at each round; 0: it is G itself.
        baseline: subtract from each reward the mean over the other sequences of the batch: the same expected
            gradient, and much less variance.
    """

    count: Annotated[int, Range(1, 1024)] = 16
    update_rate: Share = 0.8
    baseline: bool = False

    def __post_init__(self) -> None:
        check_ranges(self)

    def bind(self, context: GeneratorContext) -> PolicyGradient:
        return PolicyGradient(self, context)


class PolicyGradient:
    """REINFORCE with a reward for each token (Yu et al. 2017, eqs. 4 and 8)."""

    def __init__(self, settings: Rollouts, context: GeneratorContext) -> None:
        self._settings = settings
        self._context = context
        self._generator = cast(nn.Module, context.generator)
        self.policy = copy.deepcopy(self._generator).requires_grad_(False)
        self._policy_initialized = False

    def estimate(self, round_index: int) -> GeneratorLoss:
        """Estimate from a fresh batch of G's sequences."""
        context, settings = self._context, self._settings
        if not self._policy_initialized:  # with the weights of G after its pretraining
            self._average_in_generator(0.0)
            self._policy_initialized = True
        uniform = context.random.uniform(context.batch_size, context.length)
        tokens = sample_sequences(context.generator, uniform, context.end, context.temperature)
        policy = cast(LanguageModel, self.policy)
        reward = rewards(self._score, policy, tokens, settings.count, context.random, context.end, context.temperature)
        advantage = subtract_baseline(reward, token_mask(tokens, context.end)) if settings.baseline else reward
        loss = policy_loss(context.generator, tokens, advantage, context.end, context.temperature)
        return GeneratorLoss(loss, reward[:, -1].mean())

    def after_round(self) -> None:
        """Average G's weights into the policy's."""
        self._average_in_generator(self._settings.update_rate)

    def state_dict(self) -> dict[str, Any]:
        """Return the policy's weights, and whether they have been initialized."""
        # key "begun" kept for checkpoints of earlier versions
        return {"policy": self.policy.state_dict(), "begun": self._policy_initialized}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.policy.load_state_dict(state["policy"])
        self._policy_initialized = bool(state["begun"])

    def _score(self, tokens: Tensor) -> Tensor:
        return score(self._context.objective, self._context.discriminator(tokens))

    @torch.no_grad()
    def _average_in_generator(self, decay: float) -> None:
        for parameter, generator_parameter in zip(self.policy.parameters(), self._generator.parameters(), strict=True):
            parameter.lerp_(generator_parameter, 1.0 - decay)


@torch.no_grad()
def complete_prefixes(
    policy: LanguageModel, tokens: Tensor, count: int, random: Stream, end: int | None, temperature: float = 1.0
) -> Tensor:
    """Complete every prefix of sequences ``(N, T)`` with tokens of the policy, ``count`` times.

    At each position all prefixes that are not longer are continued together, as rows of one batch.

    Returns:
        ``(T - 1, count, N, T)``: number ``s`` of the first dimension keeps the first ``s + 1`` tokens.
    """
    num_sequences, length = tokens.shape
    rows = count * num_sequences
    sampler = TokenSampler.from_model(policy, temperature)
    sequences = tokens.expand(length - 1, count, num_sequences, length).contiguous().flatten(0, 2)
    prefix = policy.initial_state(num_sequences)
    hidden = prefix.hidden.new_empty(len(sequences), prefix.hidden.shape[1])
    cell = torch.empty_like(hidden)
    for position in range(1, length):
        prefix = policy.step(tokens[:, position - 1], prefix)
        new, active = slice((position - 1) * rows, position * rows), slice(0, position * rows)
        hidden[new], cell[new] = prefix.hidden.repeat(count, 1), prefix.cell.repeat(count, 1)
        sampled = sampler.sample(hidden[active], random.uniform(position * rows))
        sequences[active, position] = sampled = repeat_end(sampled, sequences[active, position - 1], end)
        if position < length - 1:
            state = policy.step(sampled, LSTMState(hidden[active], cell[active]))
            hidden[active], cell[active] = state.hidden, state.cell
    return sequences.view(length - 1, count, num_sequences, length)


@torch.no_grad()
def rewards(
    score_sequences: Callable[[Tensor], Tensor],
    policy: LanguageModel,
    tokens: Tensor,
    count: int,
    random: Stream,
    end: int | None,
    temperature: float = 1.0,
) -> Tensor:
    """Compute the reward of each token, ``(N, T)``: the mean score of ``count`` roll-outs from it (eq. 4).

    Args:
        score_sequences: ``(M, T) -> (M,)``, the higher the better.
        policy: samples the roll-outs.
        tokens: the sequences, ``(N, T)``; the reward of the last token of each is the score of the whole sequence.
        count: roll-outs from each token.
        random: the stream to draw from.
        end: the token that ends a sequence, if there is one.
        temperature: divisor of the policy's logits.
    """
    num_sequences, length = tokens.shape
    complete_scores = score_sequences(tokens)
    if length == 1:
        return complete_scores[:, None]
    sequences = complete_prefixes(policy, tokens, count, random, end, temperature).flatten(0, 2)
    scores = torch.cat([score_sequences(rows) for rows in torch.split(sequences, ROLLOUT_BATCH)])
    prefix_scores = scores.view(length - 1, count, num_sequences).mean(1)
    return torch.cat([prefix_scores, complete_scores[None]]).t()


def subtract_baseline(reward: Tensor, mask: Tensor) -> Tensor:
    """Subtract the mean of the *other* sequences at each position: a baseline that leaves the gradient unbiased.

    Args:
        reward: ``(N, T)``.
        mask: ``(N, T)``, 1 where there is a token, 0 after the end.

    Returns:
        The advantage, ``(N, T)``.
    """
    total, count = (reward * mask).sum(0), mask.sum(0)
    others = (total - reward * mask) / (count - mask).clamp(min=1.0)
    # No baseline where there is no other sequence.
    return reward - torch.where(count - mask > 0, others, 0.0)


def policy_loss(
    generator: LanguageModel, tokens: Tensor, advantage: Tensor, end: int | None, temperature: float = 1.0
) -> Tensor:
    """Compute a loss whose gradient estimates that of ``-E[D]`` (eq. 8).

    It is ``sum_t advantage_t * -log p(token_t)``, mean over sequences.

    Args:
        generator: the model that ``tokens`` were sampled from.
        tokens: ``(N, T)``.
        advantage: ``(N, T)``: rewards, with or without a baseline subtracted.
        end: the token that ends a sequence; tokens after it do not count.
        temperature: at which the tokens were sampled.
    """
    loss, _ = weighted_nll(generator, tokens, advantage * token_mask(tokens, end) / len(tokens), temperature)
    return loss
