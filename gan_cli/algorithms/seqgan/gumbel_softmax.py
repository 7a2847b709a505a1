"""The relaxed gradient: D reads mixtures of tokens that are nearly one, and its slope reaches G (Jang et al. 2017)."""

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
        straight_through: D reads one-hot samples, with the gradient of the mixtures.
    """

    temperature: Schedule
    straight_through: bool = False

    def bind(self, context: GeneratorContext) -> RelaxedGradient:
        """Estimates for the scene's writer."""
        return RelaxedGradient(self, context)


class RelaxedGradient:
    """What D says of mixtures of tokens, differentiated. Nothing is kept from round to round."""

    def __init__(self, settings: Gumbel, context: GeneratorContext) -> None:
        self._settings = settings
        self._context = context

    def estimate(self, round_: int) -> GeneratorLoss:
        """Of sequences that G writes now."""
        context = self._context
        relaxed = sample_relaxed(
            context.writer,
            context.batch_size,
            context.length,
            context.random,
            relaxation=self._settings.temperature(round_),
            straight_through=self._settings.straight_through,
            end=context.end,
            temperature=context.temperature,
        )
        fake = context.discriminator(relaxed)
        with torch.no_grad():
            real = context.discriminator(context.real()) if context.objective.relativistic else fake
        return GeneratorLoss(context.objective.g_loss(real, fake).mean(), score(context.objective, fake).mean())

    def after_round(self) -> None:
        """Nothing follows G."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


def sample_relaxed(
    writer: LanguageModel,
    count: int,
    length: int,
    random: Stream,
    *,
    relaxation: float,
    straight_through: bool,
    end: int | None = None,
    temperature: float = 1.0,
) -> Tensor:
    """``(count, length, V)``: weights of tokens, differentiable; where each is largest is a sample of the writer's.

    The writer itself goes on from that token, as RelGAN's does: through mixtures that it would read in its turn, slopes
    grow by the inverse of ``relaxation`` at each place, and reached 10,000 times their size within 20.

    Args:
        writer: the model.
        count: sequences.
        length: tokens in each.
        random: the stream to draw from.
        relaxation: temperature of the mixtures, > 0.
        straight_through: one-hot on the way forward.
        end: behind the first token where this one's weight is largest, there is nothing but it, one-hot.
        temperature: that the writer's logits are divided by.
    """
    state = writer.initial_state(count)
    ended = torch.zeros(count, 1, dtype=torch.bool, device=writer.vocabulary_b.device)
    nothing = None if end is None else _one_hot(torch.full_like(ended, end, dtype=torch.int64), writer)
    tokens = []
    for _ in range(length):
        logits = torch.addmm(writer.vocabulary_b, state.hidden, writer.vocabulary_w) / temperature
        token = soft_one_hot(logits, random.uniform(*logits.shape), relaxation)
        if straight_through:
            token = straight_through_one_hot(token)
        if nothing is not None:
            token = torch.where(ended, nothing, token)
            ended = ended | (token.detach().argmax(1, keepdim=True) == end)
        tokens.append(token)
        state = writer.step(token.detach().argmax(1), state)
    return torch.stack(tokens, dim=1)


def soft_one_hot(logits: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """Points ``(N, V)`` of the simplex whose largest coordinate is a sample of ``softmax(logits)`` (eq. 2).

    Args:
        logits: ``(N, V)``.
        uniform: ``(N, V)`` in [0, 1).
        temperature: > 0; the lower, the nearer to one-hot.
    """
    tiny = torch.finfo(uniform.dtype).tiny
    # In place, on a tensor that nobody else has: as long as a row of logits is.
    gumbel = uniform.clamp(min=tiny, max=1 - 2**-24).log_().neg_().log_().neg_()
    return ((logits + gumbel) / temperature).softmax(1)


class _StraightThrough(torch.autograd.Function):
    """The straight-through estimator: what is one-hot on the way forward is not there on the way back."""

    @staticmethod
    def forward(ctx: Any, soft: Tensor) -> Tensor:
        return torch.zeros_like(soft).scatter_(1, soft.argmax(1, keepdim=True), 1.0)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        return slope


def straight_through_one_hot(soft: Tensor) -> Tensor:
    """1 where a row of ``(N, V)`` is largest, 0 elsewhere, with the gradient of ``soft`` itself."""
    harden: Callable[[Tensor], Tensor] = _StraightThrough.apply
    return harden(soft)


def _one_hot(tokens: Tensor, writer: LanguageModel) -> Tensor:
    """``(N, 1) -> (N, V)``."""
    zeros = writer.vocabulary_b.new_zeros(len(tokens), len(writer.vocabulary_b))
    return zeros.scatter_(1, tokens, 1.0)
