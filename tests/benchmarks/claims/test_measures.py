"""Measures of the claims: divergences, correlations and medians, against independent references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, spearmanr

from benchmarks.claims.jsd_saturates import THETAS, summary
from benchmarks.claims.optimal_discriminator import Mesh, mesh
from benchmarks.claims.wgan_loss_means_something import WINDOW, smoothed, spearman
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.theory import gaussian_density


def along(x: np.ndarray, mean: float) -> Mesh:
    """Two Gaussians of deviation 1 on a line, one at 0 and one at ``mean``."""
    points = x[:, None]
    return Mesh(points, float(x[1] - x[0]), gaussian_density(points, 0.0, 1.0), gaussian_density(points, mean, 1.0))


@pytest.mark.parametrize("mean", [0.0, 0.5, 3.0])
def test_divergence_of_two_gaussians_is_that_of_an_adaptive_quadrature(mean: float) -> None:
    def integrand(x: float) -> float:
        p, q = norm.pdf(x), norm.pdf(x, mean)
        return float(0.5 * (p * math.log(2 * p / (p + q)) + q * math.log(2 * q / (p + q))))

    expected, _ = quad(integrand, -12, 12 + mean, epsabs=1e-12, limit=200)
    found = along(np.linspace(-15, 18, 4001), mean)
    assert found.divergence() == pytest.approx(expected, abs=1e-10)
    # Theorem 1, and that no other D does better.
    assert found.value(found.optimal_d) == pytest.approx(-2 * math.log(2) + 2 * expected, abs=1e-9)
    assert found.value(0.9 * found.optimal_d + 0.05) < found.value(found.optimal_d) + 1e-12
    assert found.error(found.optimal_d) == 0


def test_separate_gaussians_have_a_divergence_of_log_2() -> None:
    assert along(np.linspace(-10, 50, 8001), 40.0).divergence() == pytest.approx(math.log(2), abs=1e-12)


def test_error_of_a_constant_discriminator_is_its_mean_distance_from_the_best() -> None:
    same = along(np.linspace(-12, 12, 2001), 0.0)
    assert same.error(np.full(2001, 0.75)) == pytest.approx(0.25, abs=1e-9)


def test_mesh_holds_all_of_both_densities() -> None:
    class Wide:
        mean, std = (0.0, 0.0), (0.8, 0.8)

    field = mesh(Ring(modes=3, radius=1.0, std=0.3, unit=1.0), Wide(), side=200)
    assert field.p.sum() * field.cell == pytest.approx(1, abs=1e-6)
    assert field.q.sum() * field.cell == pytest.approx(1, abs=1e-6)


def test_estimates_of_lines_are_compared_with_what_they_should_be() -> None:
    ideal = [math.log(2) if theta else 0.0 for theta in THETAS]
    metrics = summary(ideal, np.abs(THETAS).tolist())
    assert list(metrics.values()) == pytest.approx([0.0, 0.0, 1.0, 0.0])
    ideal[0] -= 0.03
    assert summary(ideal, [1.0 - abs(theta) for theta in THETAS]) == pytest.approx(
        dict(zip(metrics, [0.03, 0.0, -1.0, 1.0], strict=True))
    )


def test_rank_correlation_is_that_of_scipy_and_0_where_nothing_changes() -> None:
    first, second = np.random.default_rng(0).integers(0, 5, (2, 30)).astype(float)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert spearman(first, np.exp(first)) == pytest.approx(1)
    assert spearman(first, np.ones(30)) == 0


def test_smoothing_is_the_median_of_what_has_come_so_far() -> None:
    values = np.array([1.0, 100.0, 3.0, 2.0, 4.0, 5.0])
    assert WINDOW == 5
    assert smoothed(values).tolist() == [1.0, 50.5, 3.0, 2.5, 3.0, 4.0]
