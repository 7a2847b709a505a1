"""Schedules: pure functions from a step to a number, independent of what they anneal.

Annealed ones are ``start`` at step 0 and ``end`` from step ``steps`` on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from gan_cli.components.ranges import Count, Range, check_ranges

Value: TypeAlias = Annotated[float, Range(0, 1_000_000_000)]
PositiveValue: TypeAlias = Annotated[float, Range(0, 1_000_000_000, above=True)]


@dataclass(frozen=True)
class Constant:
    """The same value ``start`` at every step.

    Attributes:
        start: the value.
    """

    start: Value

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, step: int) -> float:
        return self.start


@dataclass(frozen=True)
class _Interpolation:
    """Base of schedules that go from ``start`` to ``end`` in ``steps`` steps, and stay there.

    Attributes:
        start: value at step 0.
        end: value from step ``steps`` on.
        steps: number of steps from ``start`` to ``end``.
    """

    start: Value
    end: Value
    steps: Count

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Linear(_Interpolation):
    """A straight line from ``start`` to ``end``."""

    def __call__(self, step: int) -> float:
        if step >= self.steps:
            return self.end  # exactly, without rounding
        return self.start + (self.end - self.start) * step / self.steps


@dataclass(frozen=True)
class Cosine(_Interpolation):
    """Half a period of a cosine from ``start`` to ``end`` (Loshchilov & Hutter 2017, eq. 5)."""

    def __call__(self, step: int) -> float:
        progress = min(step / self.steps, 1.0)
        return self.end + (self.start - self.end) * 0.5 * (1.0 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class Exponential(_Interpolation):
    """A geometric sequence from ``start`` to ``end``, both above 0: the same ratio at every step."""

    start: PositiveValue
    end: PositiveValue

    def __call__(self, step: int) -> float:
        if step >= self.steps:
            return self.end
        share = step / self.steps
        return math.exp((1 - share) * math.log(self.start) + share * math.log(self.end)) if share else self.start
