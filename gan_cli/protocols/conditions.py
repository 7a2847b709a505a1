"""Conditions of samples: a single class, several classes at once, or real numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class ConditionKind(Enum):
    """Kind of the vectors that samples are conditional on."""

    several = "several"  # each component 0 or 1: whether a label holds
    numbers = "numbers"  # real numbers


@dataclass(frozen=True)
class VectorCondition:
    """Vectors ``(K,)`` that samples are conditional on, in the units of the data.

    Attributes:
        kind: of their components.
        names: name of each component.
        ranges: smallest and largest value of each component in the data to train on.
    """

    kind: ConditionKind
    names: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]

    @property
    def size(self) -> int:
        return len(self.names)


# What networks are conditional on: so many classes, of which each sample has one, or vectors; 0: nothing.
Condition: TypeAlias = int | VectorCondition
