"""The Gumbel-softmax gradient: D's gradient reaches G through relaxed one-hot tokens (Jang et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan_cli.algorithms.seqgan.estimators import GeneratorContext, GeneratorLoss, score
from gan_cli.architectures.language_model import LanguageModel
from gan_cli.protocols.algorithm import Schedule
from gan_cli.protocols.rng import Stream


@dataclass(frozen=True)
class Gumbel:
    """Gumbel-softmax, as RelGAN uses it (Nie et al. 2019, eqs. 4 to 6).

    Attributes:
        temperature: of the relaxation, over the adversarial rounds; the lower, the nearer to one-hot.
        straight_through: D reads one-hot samples, with the gradient of the relaxed ones.
    """

    temperature: Schedule
    straight_through: bool = False

    def bind(self, context: GeneratorContext) -> RelaxedGradient:
        return RelaxedGradient(self, context)


class RelaxedGradient:
    """G's loss on relaxed tokens, differentiable with respect to G; stateless."""

    def __init__(self, settings: Gumbel, context: GeneratorContext) -> None:
        self._settings = settings
        self._context = context

    def estimate(self, round_index: int) -> GeneratorLoss:
        """Estimate from a fresh batch of relaxed sequences."""
        context = self._context
        relaxed = sample_relaxed(
            context.generator,
            context.batch_size,
            context.length,
            context.random,
            relaxation=self._settings.temperature(round_index),
            straight_through=self._settings.straight_through,
            end=context.end,
            temperature=context.temperature,
        )
        fake = context.discriminator(relaxed)
        with torch.no_grad():
            real = context.discriminator(context.real()) if context.objective.relativistic else fake
        return GeneratorLoss(context.objective.g_loss(real, fake).mean(), score(context.objective, fake).mean())

    def after_round(self) -> None:
        """Do nothing: there is no state."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing: there is no state."""


def sample_relaxed(
    model: LanguageModel,
    count: int,
    length: int,
    random: Stream,
    *,
    relaxation: float,
    straight_through: bool,
    end: int | None = None,
    temperature: float = 1.0,
) -> Tensor:
    """Sample relaxed tokens, ``(count, length, V)`` weights, differentiable; their argmax is a sample of the model.

    The argmax is also the model's next input, as in RelGAN: through relaxed inputs, gradients would grow by the inverse
    of ``relaxation`` at each position, and reached 10,000 times their size within 20.

    Args:
        model: the language model.
        count: sequences.
        length: tokens in each.
        random: the stream to draw from.
        relaxation: temperature of the Gumbel-softmax, > 0.
        straight_through: one-hot in the forward pass.
        end: the token that ends a sequence: all later ones are this token, one-hot.
        temperature: divisor of the model's logits.
    """
    state = model.initial_state(count)
    ended = torch.zeros(count, 1, dtype=torch.bool, device=model.vocabulary_b.device)
    nothing = None if end is None else _one_hot(torch.full_like(ended, end, dtype=torch.int64), model)
    tokens = []
    for _ in range(length):
        logits = torch.addmm(model.vocabulary_b, state.hidden, model.vocabulary_w) / temperature
        token = soft_one_hot(logits, random.uniform(*logits.shape), relaxation)
        if straight_through:
            token = straight_through_one_hot(token)
        if nothing is not None:
            token = torch.where(ended, nothing, token)
            ended = ended | (token.detach().argmax(1, keepdim=True) == end)
        tokens.append(token)
        state = model.step(token.detach().argmax(1), state)
    return torch.stack(tokens, dim=1)


def soft_one_hot(logits: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """Sample points ``(N, V)`` of the simplex whose argmax is a sample of ``softmax(logits)`` (eq. 2).

    Args:
        logits: ``(N, V)``.
        uniform: ``(N, V)`` in [0, 1).
        temperature: > 0; the lower, the nearer to one-hot.
    """
    tiny = torch.finfo(uniform.dtype).tiny
    # In place on the clamped copy, which is as large as the logits.
    gumbel = uniform.clamp(min=tiny, max=1 - 2**-24).log_().neg_().log_().neg_()
    return ((logits + gumbel) / temperature).softmax(1)


class _StraightThrough(torch.autograd.Function):
    """The straight-through estimator: one-hot in the forward pass, the identity in the backward pass."""

    @staticmethod
    def forward(ctx: Any, soft: Tensor) -> Tensor:
        return torch.zeros_like(soft).scatter_(1, soft.argmax(1, keepdim=True), 1.0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def straight_through_one_hot(soft: Tensor) -> Tensor:
    """Return 1 where a row of ``(N, V)`` is largest, 0 elsewhere, with the gradient of ``soft`` itself."""
    harden: Callable[[Tensor], Tensor] = _StraightThrough.apply
    return harden(soft)


def _one_hot(tokens: Tensor, model: LanguageModel) -> Tensor:
    """``(N, 1) -> (N, V)``."""
    zeros = model.vocabulary_b.new_zeros(len(tokens), len(model.vocabulary_b))
    return zeros.scatter_(1, tokens, 1.0)
