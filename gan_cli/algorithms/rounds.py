"""What an update looks at and what it leaves behind; how a batch's losses become one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

# The penalties, by name, that are due in one update of D.
Due: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Round:
    """What one update looks at.

    Attributes:
        real: packs ``(N, *shape)``; None where only generated ones are looked at.
        fake: packs ``(N, *shape)``.
        labels: ``(N,)`` of both, or None.
    """

    real: Tensor | None
    fake: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class Progress:
    """How far a game has come: the number of its latest update, D's updates and real batches so far."""

    step: int = 0
    updates_d: int = 0
    batches: int = 0


@dataclass(frozen=True)
class Gradients:
    """What the latest updates of D and of G went along: a tensor for each parameter, or None for one without use."""

    d: list[Tensor | None]
    g: list[Tensor | None]


def top_mean(losses: Tensor, logits: Tensor, share: Tensor) -> Tensor:
    """Mean loss over the given share of samples, those that D takes for real most (Sinha et al. 2020, section 3).

    A mask, not a selection: shapes stay the same whatever the share, and nothing waits for its value.
    """
    kept = (share * len(losses)).ceil()
    rank = logits.detach().argsort(descending=True).argsort()
    return torch.where(rank < kept, losses, 0.0).sum() / kept
