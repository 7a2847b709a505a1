"""What the ways to G's gradient have in common: a scene in, a loss out."""

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
    """What G plays before.

    Attributes:
        writer: G.
        judge: D, ``(N, T)`` int64 or ``(N, T, V)`` weights ``-> (N,)`` logits, in the run's number format; what it
            says takes no chances: without dropout.
        objective: what D's logits mean, and what G is to make of them.
        real: draws ``(N, T)`` real sequences.
        batch_size: sequences of an update.
        length: tokens in a sequence.
        end: the token that ends a sentence, if there is one.
        temperature: that G's logits are divided by.
        random: the stream to draw from.
    """

    writer: LanguageModel
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
    """An update of G to be made.

    Attributes:
        loss: 0-dimensional, whose gradient is the estimate.
        reward: what D says of the sequences, 0-dimensional, by the objective's score.
    """

    loss: Tensor
    reward: Tensor


class GradientEstimator(Protocol):
    """Gives estimates of the gradient before one scene."""

    def estimate(self, round_: int) -> GeneratorLoss:
        """For one update in adversarial round number ``round_``, counted from 0."""
        ...

    def after_round(self) -> None:
        """G has made its updates of a round."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What is kept from round to round."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        ...


@runtime_checkable
class Estimator(Protocol):
    """A way to the gradient of what D says of G's sequences."""

    def bind(self, context: GeneratorContext) -> GradientEstimator:
        """The source of estimates before a scene."""
        ...


@torch.no_grad()
def score(objective: Objective, logits: Tensor) -> Tensor:
    """What D says, ``(N,)`` float32: a probability or a critic value."""
    return objective.score(logits.float())
