"""Define claims, their bounds and their results. Plain numbers; imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeAlias

from matplotlib.figure import Figure

# Name -> value, of one seed.
Metrics: TypeAlias = Mapping[str, float]
# Arm -> its run, of one seed; see ``harness.Run``.
Runs: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Arm:
    """One experimental arm of a claim: runs that differ in the seed alone.

    Attributes:
        name: unique within the claim.
        recipe: option of ``experiment=``, in ``benchmarks/conf``.
        overrides: in addition to the recipe.
    """

    name: str
    recipe: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bound:
    """Range that a claim states for a metric.

    Attributes:
        metric: name of the metric.
        minimum: smallest value within the bound.
        maximum: largest value within the bound.
        share: of the seeds whose values have to be within the bound.
        expected: the bound in words; None: from the numbers.
        statement: which of the claim's statements it tests, in a few words; empty where the claim has one.
        side_condition: why this is no part of what is claimed; empty: it is what is claimed. All bounds and their
            part were set before the runs that test them.
    """

    metric: str
    minimum: float = -math.inf
    maximum: float = math.inf
    share: float = 1.0
    expected: str | None = None
    statement: str = ""
    side_condition: str = ""

    def contains(self, value: float) -> bool:
        """Return whether a value is within the bound; NaN is not."""
        return self.minimum <= value <= self.maximum

    def holds(self, values: Sequence[float]) -> bool:
        """Return whether enough of the seeds' values are within the bound; False without any value."""
        return bool(values) and sum(map(self.contains, values)) >= self.share * len(values) - 1e-9

    def __str__(self) -> str:
        if self.expected is not None:
            return self.expected
        ends = [f">= {self.minimum:g}"] * (self.minimum > -math.inf) + [f"<= {self.maximum:g}"] * (
            self.maximum < math.inf
        )
        return " and ".join(ends) + ("" if self.share == 1 else f" in {self.share:.0%} of seeds")


@dataclass(frozen=True)
class Claim:
    """A claim of the literature and its experiment.

    Attributes:
        name: of the claim, and of its module.
        statement: what is claimed, with its source.
        protocol: what is run and measured, in words, and what of it was chosen here.
        arms: the runs of one seed.
        measure: computes the metrics of the runs of one seed.
        bounds: bounds on metrics; metrics without a bound are only reported.
        picture: plots the runs of all seeds, in their order, as one picture.
        caption: what the picture shows, in words.
        look_for: what a reader should see in the picture, in one or two sentences, for somebody who is new to it.
        remarks: what else a reader should know, such as earlier attempts.
    """

    name: str
    statement: str
    protocol: str
    arms: tuple[Arm, ...]
    measure: Callable[[Runs], Metrics]
    bounds: tuple[Bound, ...]
    picture: Callable[[Sequence[Runs]], Figure]
    caption: str
    look_for: str
    remarks: str = ""


@dataclass(frozen=True)
class Result:
    """Measured result of a claim.

    Attributes:
        seeds: metrics of each seed.
        seconds: processor time of all runs together, with loading their data.
        machine: description of the machine it was measured on.
    """

    seeds: Mapping[int, Metrics]
    seconds: float
    machine: str

    @property
    def metric_names(self) -> tuple[str, ...]:
        return tuple(next(iter(self.seeds.values())))

    def values(self, metric: str) -> list[float]:
        """Return the values of a metric, one a seed."""
        return [metrics[metric] for metrics in self.seeds.values()]

    def has_all_metrics(self, claim: Claim) -> bool:
        """Return whether all metrics that the claim bounds are present; an older stored result may lack some."""
        return all(bound.metric in self.metric_names for bound in claim.bounds)


@dataclass(frozen=True)
class MeanRange:
    """Mean and range of a metric over seeds."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> MeanRange:
        """Return mean, smallest and largest of the values."""
        return cls(fmean(values), min(values), max(values))
