"""Results of all measurements as plain values, and how they are written: means over seeds, shares, orders."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any


@dataclass(frozen=True)
class Results:
    """Results of all measurements, as plain values.

    Attributes:
        seeds: seed -> ``quality`` (dataset -> model -> metric -> value), ``cost`` (dataset -> model -> ``evaluations``
            and ``seconds`` of a sample), ``training`` (dataset -> model -> seconds), and of GAN and VAE on MNIST
            ``likelihood``, ``levels``, ``above``, ``preferences``, ``places``.
        floors: dataset -> metrics of real samples in the place of generated ones.
        networks: dataset -> model -> network -> number of its parameters.
        steps: dataset -> steps and batch size of training, the same for all models.
        sizes: counts: ``generated``, ``pairs``, ``skipped`` and so on.
        machine: description of the machine it was measured on.
    """

    seeds: Mapping[str, Mapping[str, Any]]
    floors: Mapping[str, Mapping[str, float]]
    networks: Mapping[str, Mapping[str, Mapping[str, int]]]
    steps: Mapping[str, Sequence[int]]
    sizes: Mapping[str, float]
    machine: str

    def per_seed(self, *path: str) -> list[Any]:
        """Return the value at a path of keys, of every seed."""
        values = []
        for of_seed in self.seeds.values():
            value: Any = of_seed
            for key in path:
                value = value[key]
            values.append(value)
        return values


def number(value: float) -> str:
    """Format a number with three digits, or with all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def percent(value: float) -> str:
    """Format a share in percent."""
    return f"{100 * value:.1f}%"


def mean_std(values: Sequence[float], written: Callable[[float], str] = number) -> str:
    """Format mean and standard deviation over seeds."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return written(fmean(values))
    return f"{written(fmean(values))} ± {written(stdev(values))}"
