"""What a claim is, and when it holds. Plain numbers; imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeAlias

from PIL import Image

# Name -> value, of one seed.
Figures: TypeAlias = Mapping[str, float]
# Arm -> its run, of one seed; see ``harness.Run``.
Runs: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Arm:
    """One kind of run of a claim.

    Attributes:
        name: within the claim.
        recipe: of ``conf/experiment``.
        overrides: beside the recipe.
    """

    name: str
    recipe: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bound:
    """What a claim says of a figure.

    Attributes:
        figure: its name.
        least: the smallest value that keeps the bound.
        most: the largest one.
        share: of the seeds that have to keep it.
        expected: the bound in words; None: from the numbers.
    """

    figure: str
    least: float = -math.inf
    most: float = math.inf
    share: float = 1.0
    expected: str | None = None

    def keeps(self, value: float) -> bool:
        """Whether a value is within the bound; what is no number is not."""
        return self.least <= value <= self.most

    def holds(self, values: Sequence[float]) -> bool:
        """Whether enough of the seeds' values are, of at least one."""
        return bool(values) and sum(map(self.keeps, values)) >= self.share * len(values) - 1e-9

    def __str__(self) -> str:
        if self.expected is not None:
            return self.expected
        ends = [f">= {self.least:g}"] * (self.least > -math.inf) + [f"<= {self.most:g}"] * (self.most < math.inf)
        return " and ".join(ends) + ("" if self.share == 1 else f" in {self.share:.0%} of seeds")


@dataclass(frozen=True)
class Claim:
    """A claim and its experiment.

    Attributes:
        name: of the claim, and of its module.
        statement: what is claimed, with its source.
        protocol: what is run and measured, in words, and what of it was chosen here.
        arms: the runs of one seed.
        measure: the runs of one seed to figures.
        bounds: what the figures are to keep. Other figures are told, and judged by nobody.
        picture: the runs of all seeds, in their order, to one picture.
        shows: what the picture shows, in words.
        remarks: what else a reader should know, such as earlier attempts.
    """

    name: str
    statement: str
    protocol: str
    arms: tuple[Arm, ...]
    measure: Callable[[Runs], Figures]
    bounds: tuple[Bound, ...]
    picture: Callable[[Sequence[Runs]], Image.Image]
    shows: str
    remarks: str = ""


@dataclass(frozen=True)
class Result:
    """What came of a claim.

    Attributes:
        seeds: figures of each seed.
        seconds: of training, all runs together.
        machine: where, in words.
    """

    seeds: Mapping[int, Figures]
    seconds: float
    machine: str

    @property
    def names(self) -> tuple[str, ...]:
        """Of the figures, in their order."""
        return tuple(next(iter(self.seeds.values())))

    def values(self, figure: str) -> list[float]:
        """A figure of every seed."""
        return [figures[figure] for figures in self.seeds.values()]

    def answers(self, claim: Claim) -> bool:
        """Whether it has all figures that the claim bounds; one that was kept from before may not."""
        return all(bound.figure in self.names for bound in claim.bounds)


@dataclass(frozen=True)
class Spread:
    """A figure over seeds."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Mean, smallest and largest."""
        return cls(fmean(values), min(values), max(values))
