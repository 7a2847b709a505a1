"""Optimal transport against what is known in one dimension, all permutations, and an independent solver."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from gan_cli.errors import InvalidValueError
from gan_cli.metrics.wasserstein import wasserstein_distance


def test_in_one_dimension_the_sorted_samples_pair_up() -> None:
    random = np.random.default_rng(0)
    a, b = random.standard_normal(500), random.exponential(size=500)
    found = wasserstein_distance(a[:, None], b[:, None])
    assert found == pytest.approx(np.abs(np.sort(a) - np.sort(b)).mean(), rel=1e-12)
    assert found == pytest.approx(scipy.stats.wasserstein_distance(a, b), rel=1e-9)


def test_no_permutation_does_better() -> None:
    a, b = np.random.default_rng(1).standard_normal((2, 6, 3))
    costs = np.linalg.norm(a[:, None] - b, axis=2)
    best = min(costs[range(6), order].mean() for order in itertools.permutations(range(6)))
    assert wasserstein_distance(a, b) == pytest.approx(best, rel=1e-12)


@pytest.mark.skipif(not hasattr(scipy.stats, "wasserstein_distance_nd"), reason="needs scipy 1.13")
def test_distance_is_that_of_a_linear_program() -> None:
    a, b = np.random.default_rng(2).standard_normal((2, 30, 4))
    assert wasserstein_distance(a, b) == pytest.approx(scipy.stats.wasserstein_distance_nd(a, b), rel=1e-8)


def test_a_shift_is_its_own_length() -> None:
    # Kantorovich's dual with f(x) = x.u shows that nothing is shorter.
    a = np.random.default_rng(3).standard_normal((300, 2)).astype(np.float32).astype(np.float64)
    assert wasserstein_distance(a, np.add(a[::-1], [3.0, 4.0])) == pytest.approx(5.0, rel=1e-12)
    assert wasserstein_distance(a, a[::-1]) == 0.0


def test_distance_between_parallel_lines_is_their_distance() -> None:
    height = np.random.default_rng(4).random(200)
    lines = [np.stack([np.full(200, x), height], axis=1).astype(np.float32) for x in (0.0, 0.25)]
    assert wasserstein_distance(*lines) == pytest.approx(0.25, rel=1e-12)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="second: expected 3 samples, as many as there are in the first, got 4"):
        wasserstein_distance(np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(InvalidValueError, match="second: expected 2 columns"):
        wasserstein_distance(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(InvalidValueError, match="first: expected at most 5,000 samples, got 5001"):
        wasserstein_distance(np.zeros((5001, 1)), np.zeros((5001, 1)))
    with pytest.raises(InvalidValueError, match="first: expected finite numbers, got inf"):
        wasserstein_distance(np.full((3, 2), np.inf), np.zeros((3, 2)))
