"""The kernel distance against a sum over pairs, against its expectation, and its lack of bias."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gan_cli.errors import InvalidValueError
from gan_cli.metrics import kernel
from gan_cli.metrics.kernel import kernel_distance, squared_mmd


def direct(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate, pair by pair."""

    def cubic(a: np.ndarray, b: np.ndarray) -> float:
        return (float(a @ b) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    real = sum(cubic(x[i], x[j]) for i, j in itertools.permutations(range(n), 2)) / (n * (n - 1))
    generated = sum(cubic(y[i], y[j]) for i, j in itertools.permutations(range(m), 2)) / (m * (m - 1))
    return real + generated - 2 * sum(cubic(a, b) for a in x for b in y) / (n * m)


def test_estimate_is_the_sum_over_pairs() -> None:
    random = np.random.default_rng(0)
    x, y = random.standard_normal((30, 5)), random.standard_normal((20, 5)) + 0.3
    assert squared_mmd(x, y) == pytest.approx(direct(x, y), rel=1e-11)


def test_distance_is_the_mean_over_subsets() -> None:
    random = np.random.default_rng(1)
    x, y = random.standard_normal((40, 3)).astype(np.float32), random.standard_normal((40, 3)).astype(np.float32)
    whole = kernel_distance(x, y, seed=0, subsets=3, size=40)  # every subset is the whole
    assert whole.mean == pytest.approx(direct(x.astype(np.float64), y.astype(np.float64)), rel=1e-9)
    assert whole.deviation < 1e-12
    parts = kernel_distance(x, y, seed=0, subsets=4000, size=10)
    assert parts.mean == pytest.approx(whole.mean, abs=4 * parts.deviation / np.sqrt(4000))
    assert parts.deviation > 0


def test_equal_distributions_give_zero_on_average() -> None:
    random = np.random.default_rng(2)
    values = np.array([squared_mmd(*random.standard_normal((2, 25, 4))) for _ in range(4000)])
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean()) < 4 * error
    assert 0.3 < (values < 0).mean() < 0.9  # an estimate that cannot be negative is biased
    # The biased estimate, with the diagonal, is far outside what this test lets through: it adds this much at least.
    assert 40 * error < 2 * (2**3 - 1) / 25


def test_shifted_gaussians_give_the_closed_form() -> None:
    # One column: (xy + 1)^3 = sum_i C(3, i) x^i y^i, so MMD^2 = sum_i C(3, i) (difference of the i-th moments)^2.
    shift = 0.5
    normal = np.array([1.0, 0.0, 1.0, 0.0])
    moved = np.array([1.0, shift, 1 + shift**2, 3 * shift + shift**3])
    expected = float((np.array([1, 3, 3, 1]) * np.square(normal - moved)).sum())
    random = np.random.default_rng(3)
    x, y = random.standard_normal((60_000, 1)), random.standard_normal((60_000, 1)) + shift
    found = kernel_distance(x, y, seed=0, subsets=200, size=500)
    assert found.mean == pytest.approx(expected, abs=0.15)
    assert found.mean == pytest.approx(expected, abs=6 * found.deviation / np.sqrt(200) + 0.05)


def test_deviation_is_that_of_one_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([1.0, 3.0])
    monkeypatch.setattr(kernel, "squared_mmd", lambda x, y: next(values))
    found = kernel_distance(np.zeros((4, 1)), np.zeros((4, 1)), seed=0, subsets=2, size=2)
    assert (found.mean, found.deviation) == (2.0, pytest.approx(np.sqrt(2.0)))


def test_same_seed_same_distance() -> None:
    x, y = np.random.default_rng(4).standard_normal((2, 100, 3))
    one, again, other = (kernel_distance(x, y, seed=seed, subsets=5, size=20) for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_what_cannot_be_measured_is_refused() -> None:
    x = np.zeros((50, 3))
    with pytest.raises(InvalidValueError, match=r"size: expected an integer from 2 to 50.*, got 1000"):
        kernel_distance(x, x, seed=0)
    with pytest.raises(InvalidValueError, match="subsets: expected an integer >= 2, got 1"):
        kernel_distance(x, x, seed=0, subsets=1, size=10)
    with pytest.raises(InvalidValueError, match="generated: expected 3 columns, as real have"):
        kernel_distance(x, np.zeros((50, 4)), seed=0, size=10)
    with pytest.raises(InvalidValueError, match="generated: expected finite numbers, got nan"):
        kernel_distance(x, np.full((50, 3), np.nan), seed=0, size=10)
