"""What a writer is asked for: likelihoods of sequences and sequences of its own, a few rows of logits at a time.

A row of logits is as long as the vocabulary, and there is one for every token of every sequence: what is done with
them is done while they are in the processor's cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

# The token that every sequence begins after; it is not part of the sequence.
START_TOKEN = 0
# Rows of logits at a time.
CHUNK_ROWS = 128
# Below this a probability is taken for this: the smallest float32 of full precision.
MIN_PROBABILITY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class LSTMState:
    """What a writer remembers of the tokens it has read.

    Attributes:
        hidden: ``(N, H)``, what the next token is chosen from.
        cell: ``(N, H)``.
    """

    hidden: Tensor
    cell: Tensor


class LanguageModel(Protocol):
    """A recurrent language model whose logits of the next token are ``hidden @ vocabulary_w + vocabulary_b``."""

    @property
    def embedding(self) -> Tensor:
        """``(V, E)``."""
        ...

    @property
    def vocabulary_w(self) -> Tensor:
        """``(H, V)``."""
        ...

    @property
    def vocabulary_b(self) -> Tensor:
        """``(V,)``."""
        ...

    def initial_state(self, count: int) -> LSTMState:
        """Having read the start token and nothing else, ``count`` times."""
        ...

    def step(self, tokens: Tensor, state: LSTMState) -> LSTMState:
        """The memory after one more token, ``(N,)`` int64."""
        ...

    def hidden(self, tokens: Tensor) -> Tensor:
        """``(N, T, H)``: the hidden state that each token of ``(N, T)`` is chosen from."""
        ...


class _WeightedNll(torch.autograd.Function):
    """Gradients are made on the way forward, where the probabilities are at hand, and kept instead of these."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, shares: Tensor, kind: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        slope_h, slope_w, slope_b = torch.empty_like(hidden), torch.zeros_like(weight), torch.zeros_like(bias)
        nll = hidden.new_empty(len(hidden))
        back = weight.to(kind).t()
        for start in range(0, len(hidden), CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            h, chosen, share = hidden[rows], targets[rows, None], shares[rows]
            p = torch.addmm(bias, h, weight).softmax(1)
            nll[rows] = -p.gather(1, chosen).squeeze(1).clamp_(min=MIN_PROBABILITY).log_()
            p.scatter_add_(1, chosen, p.new_full((), -1.0).expand(chosen.shape))
            slope_b.addmv_(p.t(), share)
            p = p.to(kind)
            torch.mul(p @ back, share[:, None], out=slope_h[rows])
            slope_w.add_((h * share[:, None]).to(kind).t() @ p)
        ctx.save_for_backward(slope_h, slope_w, slope_b)
        ctx.mark_non_differentiable(nll)
        return nll @ shares, nll

    @staticmethod
    def backward(ctx: Any, slope: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        slope_h, slope_w, slope_b = ctx.saved_tensors
        return slope_h * slope, slope_w * slope, slope_b * slope, None, None, None


def autocast_dtype(device: torch.device) -> torch.dtype:
    """What products are computed in on the device, here and now."""
    there = torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)
    return torch.get_autocast_dtype(device.type) if there else torch.float32


def weighted_nll(
    writer: LanguageModel, tokens: Tensor, shares: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """``sum(shares * nll)``, differentiable, and the negative log-likelihoods themselves.

    Args:
        writer: the model.
        tokens: ``(N, T)``.
        shares: ``(N, T)``, what each token counts; may be negative.
        temperature: that logits are divided by.

    Returns:
        The sum, 0-dimensional, and ``-log p(token | those before)`` in nats, ``(N, T)``, without gradient.
    """
    # Logits are float32 in any case: rounded ones would be off by as much as is to be learned.
    kind = autocast_dtype(tokens.device)
    with torch.autocast(tokens.device.type, enabled=False):
        hidden = writer.hidden(tokens).flatten(0, 1) / temperature
        output = (writer.vocabulary_w, writer.vocabulary_b / temperature)
        score: Callable[..., tuple[Tensor, Tensor]] = _WeightedNll.apply
        loss, nll = score(hidden, *output, tokens.flatten(), shares.flatten(), kind)
    return loss, nll.view(tokens.shape)


@torch.no_grad()
def nll(writer: LanguageModel, tokens: Tensor, temperature: float = 1.0) -> Tensor:
    """``-log p(token | those before)`` in nats, ``(N, T)``."""
    hidden = writer.hidden(tokens).flatten(0, 1) / temperature
    bias = writer.vocabulary_b / temperature
    parts = [
        -torch.addmm(bias, h, writer.vocabulary_w).log_softmax(1).gather(1, chosen[:, None]).squeeze(1)
        for h, chosen in zip(torch.split(hidden, CHUNK_ROWS), torch.split(tokens.flatten(), CHUNK_ROWS), strict=True)
    ]
    return torch.cat(parts).view(tokens.shape)


def token_mask(tokens: Tensor, end: int | None) -> Tensor:
    """``(N, T)`` float32: 1 for each token up to the first ``end``, and for that; 0 behind it."""
    if end is None:
        return torch.ones(tokens.shape, device=tokens.device)
    ends = (tokens == end).cumsum(1)
    return ((ends - (tokens == end).long()) == 0).float()


@dataclass(frozen=True)
class TokenSampler:
    """Draws tokens by the inverse of their distribution function, in two steps: a block of tokens, then one of them.

    Attributes:
        weight: ``(H, blocks * block)``, from a hidden state to logits at the temperature, with columns of 0 behind.
        bias: the same for the bias, with -inf behind.
        vocabulary: how many tokens there are.
        block: tokens in a block.
    """

    weight: Tensor
    bias: Tensor
    vocabulary: int
    block: int

    @classmethod
    def of(cls, writer: LanguageModel, temperature: float = 1.0) -> TokenSampler:
        """What the writer's present weights say."""
        vocabulary = len(writer.vocabulary_b)
        block = math.isqrt(vocabulary - 1) + 1
        behind = -vocabulary % block
        weight = pad(writer.vocabulary_w.detach() / temperature, (0, behind))
        bias = pad(writer.vocabulary_b.detach() / temperature, (0, behind), value=-torch.inf)
        return cls(weight, bias, vocabulary, block)

    def sample(self, hidden: Tensor, uniform: Tensor) -> Tensor:
        """The token, ``(N,)`` int64, that each number of ``(N,)`` in [0, 1) stands for, from ``(N, H)``."""
        parts = [
            self._sample(*rows)
            for rows in zip(torch.split(hidden, CHUNK_ROWS), torch.split(uniform, CHUNK_ROWS), strict=True)
        ]
        return torch.cat(parts)

    def _sample(self, hidden: Tensor, uniform: Tensor) -> Tensor:
        p = torch.addmm(self.bias, hidden, self.weight).softmax(1).view(len(hidden), -1, self.block)
        block, left = _invert(p.sum(2), uniform)
        within = p[torch.arange(len(p), device=p.device), block]
        # What is left lies within the block, but for rounding.
        token, _ = _invert(within, left)
        return (block * self.block + token).clamp_(max=self.vocabulary - 1)


def _invert(p: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
    """The first place of ``(N, K)`` weights whose running sum exceeds ``(N,)``, and what is left before it."""
    reached = p.cumsum(1)
    place = (reached <= mass[:, None]).sum(1, keepdim=True).clamp_(max=p.shape[1] - 1)
    before = reached.gather(1, place) - p.gather(1, place)
    return place.squeeze(1), mass - before.squeeze(1)


@torch.no_grad()
def sample_sequences(
    writer: LanguageModel, uniform: Tensor, end: int | None = None, temperature: float = 1.0
) -> Tensor:
    """Sequences ``(N, T)`` int64 of the writer's, from numbers ``(N, T)`` in [0, 1), one a token.

    Behind ``end`` there is nothing but ``end``.
    """
    sampler = TokenSampler.of(writer, temperature)
    tokens = torch.empty(uniform.shape, dtype=torch.int64, device=uniform.device)
    state: LSTMState = writer.initial_state(len(uniform))
    for place in range(uniform.shape[1]):
        chosen = sampler.sample(state.hidden, uniform[:, place].contiguous())
        tokens[:, place] = chosen if place == 0 else repeat_end(chosen, tokens[:, place - 1], end)
        state = writer.step(tokens[:, place], state)
    return tokens


def repeat_end(chosen: Tensor, before: Tensor, end: int | None) -> Tensor:
    """``chosen``, but ``end`` where the token before was ``end``."""
    return chosen if end is None else torch.where(before == end, before, chosen)
