"""The interface of recurrent language models; likelihoods and sampling, a few rows of logits at a time.

A row of logits is as long as the vocabulary, and there is one for every token of every sequence. So they are processed
in chunks: on a CPU of what fits into its cache; on a GPU, where each chunk costs launches, of what its memory spares.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

# The token that precedes every sequence; it is not part of the sequence.
START_TOKEN = 0
# Rows of logits that are processed at a time on a CPU.
CHUNK_ROWS = 128
# On a GPU a chunk of logits, of which several copies exist at a time, takes at most this share of the memory.
CHUNK_MEMORY_SHARE = 1 / 64
# Probabilities are clamped from below to this, the smallest normal float32.
MIN_PROBABILITY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class LSTMState:
    """The recurrent state after a prefix of tokens.

    Attributes:
        hidden: ``(N, H)``, from which the logits of the next token are computed.
        cell: ``(N, H)``.
    """

    hidden: Tensor
    cell: Tensor


class LanguageModel(Protocol):
    """A recurrent language model whose logits of the next token are ``hidden @ vocabulary_w + vocabulary_b``."""

    @property
    def embedding(self) -> Tensor:
        """Embeddings of the tokens, ``(V, E)``."""
        ...

    @property
    def vocabulary_w(self) -> Tensor:
        """Weight of the output layer, ``(H, V)``."""
        ...

    @property
    def vocabulary_b(self) -> Tensor:
        """Bias of the output layer, ``(V,)``."""
        ...

    def initial_state(self, count: int) -> LSTMState:
        """Return the state after the start token, for ``count`` sequences."""
        ...

    def step(self, tokens: Tensor, state: LSTMState) -> LSTMState:
        """Return the state after one more token, ``(N,)`` int64."""
        ...

    def hidden(self, tokens: Tensor) -> Tensor:
        """Compute the hidden state before each token of ``(N, T)``, which predicts that token; ``(N, T, H)``."""
        ...


class _WeightedNll(torch.autograd.Function):
    """Weighted negative log-likelihood whose gradients are computed and saved in the forward pass.

    The probabilities of a chunk are in the cache there, and need not be saved.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, shares: Tensor, kind: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        grad_h, grad_w, grad_b = torch.empty_like(hidden), torch.zeros_like(weight), torch.zeros_like(bias)
        nll = hidden.new_empty(len(hidden))
        weight_t = weight.to(kind).t()
        chunk = chunk_rows(hidden.device, len(bias))
        for start in range(0, len(hidden), chunk):
            rows = slice(start, start + chunk)
            h, chosen, share = hidden[rows], targets[rows, None], shares[rows]
            p = torch.addmm(bias, h, weight).softmax(1)
            nll[rows] = -p.gather(1, chosen).squeeze(1).clamp_(min=MIN_PROBABILITY).log_()
            p.scatter_add_(1, chosen, p.new_full((), -1.0).expand(chosen.shape))
            grad_b.addmv_(p.t(), share)
            p = p.to(kind)
            torch.mul(p @ weight_t, share[:, None], out=grad_h[rows])
            grad_w.add_((h * share[:, None]).to(kind).t() @ p)
        ctx.save_for_backward(grad_h, grad_w, grad_b)
        ctx.mark_non_differentiable(nll)
        return nll @ shares, nll

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grad_h, grad_w, grad_b = ctx.saved_tensors
        return grad_h * grad, grad_w * grad, grad_b * grad, None, None, None


def chunk_rows(device: torch.device, vocabulary: int) -> int:
    """Return the number of rows of float32 logits, of this width, that are processed at a time."""
    if device.type != "cuda":
        return CHUNK_ROWS
    memory = CHUNK_MEMORY_SHARE * torch.cuda.get_device_properties(device).total_memory
    return max(CHUNK_ROWS, int(memory) // (torch.finfo(torch.float32).bits // 8 * vocabulary))


def autocast_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype of matrix products on the device in the present autocast context."""
    enabled = torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)
    return torch.get_autocast_dtype(device.type) if enabled else torch.float32


def weighted_nll(
    model: LanguageModel, tokens: Tensor, shares: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Compute ``sum(shares * nll)``, differentiable, and the negative log-likelihoods themselves.

    Args:
        model: gives the logits.
        tokens: ``(N, T)``.
        shares: ``(N, T)``, weight of each token; may be negative.
        temperature: divisor of the logits.

    Returns:
        The sum, 0-dimensional, and ``-log p(token | previous tokens)`` in nats, ``(N, T)``, without gradient.
    """
    # Logits are float32 even under autocast: rounding errors of bf16 logits are as large as the differences to learn.
    kind = autocast_dtype(tokens.device)
    with torch.autocast(tokens.device.type, enabled=False):
        hidden = model.hidden(tokens).flatten(0, 1) / temperature
        output_layer = (model.vocabulary_w, model.vocabulary_b / temperature)
        function: Callable[..., tuple[Tensor, Tensor]] = _WeightedNll.apply
        loss, nll = function(hidden, *output_layer, tokens.flatten(), shares.flatten(), kind)
    return loss, nll.view(tokens.shape)


@torch.no_grad()
def nll(model: LanguageModel, tokens: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute ``-log p(token | previous tokens)`` in nats, ``(N, T)``, without gradient."""
    hidden = model.hidden(tokens).flatten(0, 1) / temperature
    bias = model.vocabulary_b / temperature
    chunk = chunk_rows(hidden.device, len(bias))
    parts = [
        -torch.addmm(bias, h, model.vocabulary_w).log_softmax(1).gather(1, chosen[:, None]).squeeze(1)
        for h, chosen in zip(torch.split(hidden, chunk), torch.split(tokens.flatten(), chunk), strict=True)
    ]
    return torch.cat(parts).view(tokens.shape)


def token_mask(tokens: Tensor, end: int | None) -> Tensor:
    """Return a float32 mask ``(N, T)``: 1 for each token up to and including the first ``end``, 0 after it."""
    if end is None:
        return torch.ones(tokens.shape, device=tokens.device)
    ends = (tokens == end).cumsum(1)
    return ((ends - (tokens == end).long()) == 0).float()


@dataclass(frozen=True)
class TokenSampler:
    """Inverse transform sampling of tokens in two steps: first a block of tokens, then a token of the block.

    Attributes:
        weight: of the output layer at the temperature, ``(H, blocks * block)``, padded with 0 on the right.
        bias: of the output layer at the temperature, ``(blocks * block,)``, padded with -inf.
        vocabulary: number of tokens.
        block: tokens in a block.
    """

    weight: Tensor
    bias: Tensor
    vocabulary: int
    block: int

    @classmethod
    def from_model(cls, model: LanguageModel, temperature: float = 1.0) -> TokenSampler:
        """Build a sampler of the model's present weights; later updates of them do not affect it."""
        vocabulary = len(model.vocabulary_b)
        block = math.isqrt(vocabulary - 1) + 1
        padding = -vocabulary % block
        weight = pad(model.vocabulary_w.detach() / temperature, (0, padding))
        bias = pad(model.vocabulary_b.detach() / temperature, (0, padding), value=-torch.inf)
        return cls(weight, bias, vocabulary, block)

    def sample(self, hidden: Tensor, uniform: Tensor) -> Tensor:
        """Sample one token per hidden state.

        Args:
            hidden: ``(N, H)``.
            uniform: numbers from [0, 1), ``(N,)``, which determine the tokens.

        Returns:
            ``(N,)`` int64.
        """
        chunk = chunk_rows(hidden.device, len(self.bias))
        parts = [
            self._sample(*rows) for rows in zip(torch.split(hidden, chunk), torch.split(uniform, chunk), strict=True)
        ]
        return torch.cat(parts)

    def _sample(self, hidden: Tensor, uniform: Tensor) -> Tensor:
        p = torch.addmm(self.bias, hidden, self.weight).softmax(1).view(len(hidden), -1, self.block)
        block, remainder = _invert(p.sum(2), uniform)
        block_p = p[torch.arange(len(p), device=p.device), block]
        # Up to rounding, the remainder is less than the block's probability.
        token, _ = _invert(block_p, remainder)
        return (block * self.block + token).clamp_(max=self.vocabulary - 1)


def _invert(p: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
    """Find the first index at which the cumulative sum of ``p`` exceeds ``mass``, and the remaining mass before it.

    Args:
        p: weights, ``(N, K)``.
        mass: ``(N,)``.

    Returns:
        Indices and remainders, ``(N,)`` each.
    """
    cumulative = cumulative_sums(p)
    index = (cumulative <= mass[:, None]).sum(1, keepdim=True).clamp_(max=p.shape[1] - 1)
    before = cumulative.gather(1, index) - p.gather(1, index)
    return index.squeeze(1), mass - before.squeeze(1)


def cumulative_sums(p: Tensor) -> Tensor:
    """Compute the cumulative sums of shares ``(N, K)`` along the rows.

    On CUDA the scan of floating-point numbers is not deterministic, and raises where ``device.deterministic`` is set:
    there it is one of integers.
    """
    if p.is_cuda and torch.are_deterministic_algorithms_enabled():
        return fixed_point_sums(p)
    return p.cumsum(1)


def fixed_point_sums(p: Tensor) -> Tensor:
    """Compute the cumulative sums of shares ``(N, K)``, each rounded to 40 binary places."""
    return ((p.double() * 2**40).round().long().cumsum(1).double() / 2**40).to(p.dtype)


@torch.no_grad()
def sample_sequences(model: LanguageModel, uniform: Tensor, end: int | None = None, temperature: float = 1.0) -> Tensor:
    """Sample sequences from the model, ``(N, T)`` int64; after the first ``end`` all tokens are ``end``.

    Args:
        model: to sample from.
        uniform: numbers from [0, 1), ``(N, T)``, one per token, which determine the sequences.
        end: the token that ends a sequence; None: all are of full length.
        temperature: divisor of the logits.
    """
    sampler = TokenSampler.from_model(model, temperature)
    tokens = torch.empty(uniform.shape, dtype=torch.int64, device=uniform.device)
    state: LSTMState = model.initial_state(len(uniform))
    for position in range(uniform.shape[1]):
        chosen = sampler.sample(state.hidden, uniform[:, position].contiguous())
        tokens[:, position] = chosen if position == 0 else repeat_end(chosen, tokens[:, position - 1], end)
        state = model.step(tokens[:, position], state)
    return tokens


def repeat_end(chosen: Tensor, before: Tensor, end: int | None) -> Tensor:
    """Return ``chosen``, with ``end`` wherever the previous token was ``end``."""
    return chosen if end is None else torch.where(before == end, before, chosen)
