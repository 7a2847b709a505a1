"""Interface of estimators of G's gradient: from G, D and the objective to a loss of G."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from gan_cli.architectures.language_model import LanguageModel
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.rng import Stream


@dataclass(frozen=True)
class GeneratorContext:
    """Everything that G's loss depends on.

    Attributes:
        generator: G.
        discriminator: D, ``(N, T)`` int64 or ``(N, T, V)`` weights ``-> (N,)`` logits, in the run's number format,
            without dropout.
        objective: defines G's loss and D's scores from logits.
        real: draws ``(N, T)`` real sequences.
        batch_size: sequences of an update.
        length: tokens in a sequence.
        end: the token that ends a sentence, if there is one.
        temperature: divisor of G's logits.
        random: the stream to draw from.
    """

    generator: LanguageModel
    discriminator: Callable[[Tensor], Tensor]
    objective: Objective
    real: Callable[[], Tensor]
    batch_size: int
    length: int
    end: int | None
    temperature: float
    random: Stream


@dataclass(frozen=True)
class GeneratorLoss:
    """Loss and reward of an update of G.

    Attributes:
        loss: 0-dimensional, whose gradient is the estimate.
        reward: mean of the objective's score of the sequences, 0-dimensional.
    """

    loss: Tensor
    reward: Tensor


class GradientEstimator(Protocol):
    """Estimates G's gradient in one :class:`GeneratorContext`."""

    def estimate(self, round_index: int) -> GeneratorLoss:
        """Estimate for one update in adversarial round number ``round_index``, counted from 0."""
        ...

    def after_round(self) -> None:
        """Update the estimator's state after G's updates of a round."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the state that is kept from round to round."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that :meth:`state_dict` returned."""
        ...


@runtime_checkable
class Estimator(Protocol):
    """Settings of a method to estimate G's gradient through discrete tokens."""

    def bind(self, context: GeneratorContext) -> GradientEstimator:
        """Build the gradient estimator for a context."""
        ...


@torch.no_grad()
def score(objective: Objective, logits: Tensor) -> Tensor:
    """Convert logits to scores, ``(N,)`` float32: probabilities or critic values."""
    return objective.score(logits.float())
