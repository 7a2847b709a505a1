"""Standard errors of metrics, from random halves of the generated samples. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from gan_cli.protocols.arrays import IntArray

# Halves that a deviation is taken over, which is then known to about a sixth of itself.
HALVES = 20
SEED = 2


def deviation_over_halves(numbers_of: Callable[[IntArray], Mapping[str, float]], count: int) -> dict[str, float]:
    """Return the standard deviations of numbers over random halves of some samples, by name.

    Of a half drawn without replacement from ``n`` samples, a mean varies about that of all with variance ``s^2 / n``:
    as much as the mean of all of them does about its expectation (the jackknife that deletes half; Shao & Wu 1989).
    So the deviation over halves estimates the standard error with all samples, of whatever is about linear in them.
    A bias that depends on the number of samples cancels.

    Args:
        numbers_of: computes numbers by name from rows of the samples.
        count: number of samples, 4 or more.
    """
    random = np.random.default_rng(SEED)
    drawn = [numbers_of(random.permutation(count)[: count // 2]) for _ in range(HALVES)]
    return {name: _deviation(each[name] for each in drawn) for name in drawn[0]}


def _deviation(values: Iterable[float]) -> float:
    return float(np.std(list(values), ddof=1))
