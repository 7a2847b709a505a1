"""Metrics of tables, against SciPy's and NumPy's of the same name and in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gan_cli.errors import InvalidValueError
from gan_cli.metrics.tables import column_distances, correlation_error, marginal_wasserstein

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(50, 3)) * [1, 10, 0.1] + [0, 5, -3]
GENERATED = RNG.exponential(size=(170, 3)) * [2, 9, 0.3]


def test_distances_are_scipy_s_in_deviations_of_the_real_column() -> None:
    expected = [stats.wasserstein_distance(REAL[:, i], GENERATED[:, i]) / REAL[:, i].std() for i in range(3)]
    np.testing.assert_allclose(column_distances(REAL, GENERATED), expected)
    found = marginal_wasserstein(REAL, GENERATED)
    assert found["marginal_wasserstein"] == pytest.approx(np.mean(expected))
    assert found["marginal_wasserstein_max"] == pytest.approx(max(expected))


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e6])
def test_a_shift_by_half_a_deviation_is_half_in_any_unit(scale: float) -> None:
    real = REAL * scale
    np.testing.assert_allclose(column_distances(real, real + 0.5 * real.std(axis=0)), 0.5, rtol=1e-6)
    np.testing.assert_allclose(column_distances(real, real), 0, atol=1e-12)


def test_constant_column_has_its_own_units() -> None:
    assert column_distances(np.full((4, 1), 7.0), np.full((9, 1), 7.25)) == [0.25]


def test_correlations_are_numpy_s() -> None:
    differences = np.abs(np.corrcoef(REAL.T) - np.corrcoef(GENERATED.T))[np.triu_indices(3, 1)]
    found = correlation_error(REAL, GENERATED)
    assert found["correlation_error"] == pytest.approx(differences.mean())
    assert found["correlation_error_max"] == pytest.approx(differences.max())


def test_columns_that_go_together_and_do_not_differ_by_one() -> None:
    column = RNG.normal(size=(1000, 1))
    apart = np.concatenate([column, -column], axis=1)
    assert correlation_error(np.repeat(column, 2, axis=1), apart)["correlation_error"] == pytest.approx(2)
    constant = np.concatenate([column, np.ones((1000, 1))], axis=1)
    assert correlation_error(np.repeat(column, 2, axis=1), constant)["correlation_error"] == pytest.approx(1)
    assert correlation_error(constant, apart) == {}


def test_numbers_that_are_not_finite_are_rejected() -> None:
    with pytest.raises(InvalidValueError):
        marginal_wasserstein(REAL, np.full((4, 3), np.nan))
