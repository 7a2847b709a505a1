"""The Frechet distance against closed forms, and the moments that it is made of."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
import scipy.linalg

from gan_cli.errors import InvalidValueError
from gan_cli.metrics.frechet import GaussianMoments, MomentAccumulator, frechet_distance, gaussian_moments


def known(mean: np.ndarray, covariance: np.ndarray) -> GaussianMoments:
    return GaussianMoments.from_covariance(np.asarray(mean, np.float64), np.asarray(covariance, np.float64), 1000)


def covariance(random: np.random.Generator, columns: int, rank: int) -> np.ndarray:
    factor = random.standard_normal((columns, rank))
    return factor @ factor.T / rank


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_moments_are_numpys(kind: type) -> None:
    features = np.random.default_rng(0).normal(3.0, 2.0, (3000, 7)).astype(kind)
    found = gaussian_moments(features)
    exact = features.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(exact.T), rtol=1e-11, atol=1e-13)
    assert found.count == 3000


def test_moments_do_not_depend_on_the_batches() -> None:
    features = np.random.default_rng(0).standard_normal((1000, 5)).astype(np.float32)
    moments = MomentAccumulator()
    for batch in np.split(features, [1, 3, 500, 999]):
        moments.add(batch)
    whole, parts = gaussian_moments(features), moments.moments()
    np.testing.assert_allclose(parts.mean, whole.mean, atol=1e-15)
    np.testing.assert_allclose(parts.covariance, whole.covariance, atol=1e-14)
    assert parts.count == whole.count


def test_a_large_mean_costs_no_precision() -> None:
    deviations = np.random.default_rng(0).standard_normal((5000, 3))
    np.testing.assert_allclose(gaussian_moments(deviations + 1e8).covariance, np.cov(deviations.T), atol=1e-6)


def test_moments_taken_away_do_not_change_any_more() -> None:
    moments = MomentAccumulator()
    features = np.random.default_rng(0).standard_normal((10, 2))
    moments.add(features)
    early = moments.moments()
    mean = early.mean.copy()
    moments.add(features + 5)
    np.testing.assert_array_equal(early.mean, mean)


def test_moments_hold_a_block_not_a_copy() -> None:
    features = np.zeros((50_000, 64), np.float32)
    tracemalloc.start()
    gaussian_moments(features)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e6  # a float64 copy is 25.6 MB


def test_distance_of_gaussians_whose_covariances_commute() -> None:
    first, second = np.array([4.0, 9.0, 0.25]), np.array([1.0, 16.0, 0.0])
    rotation = scipy.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    a = known([1.0, 0.0, 0.0], rotation @ np.diag(first) @ rotation.T)
    b = known([0.0, 2.0, 0.0], rotation @ np.diag(second) @ rotation.T)
    expected = 5.0 + np.square(np.sqrt(first) - np.sqrt(second)).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("columns", [2, 50])
def test_distance_is_that_of_the_matrix_square_root(columns: int) -> None:
    random = np.random.default_rng(columns)
    a = known(random.standard_normal(columns), covariance(random, columns, 3 * columns))
    b = known(random.standard_normal(columns), covariance(random, columns, 3 * columns))
    root = scipy.linalg.sqrtm(a.covariance @ b.covariance)
    expected = np.square(a.mean - b.mean).sum() + np.trace(a.covariance + b.covariance - 2 * root.real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-10)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-10)


def test_distance_of_singular_covariances_that_do_not_commute() -> None:
    # Two lines in the plane at an angle t: Tr(AB)^(1/2) = a b |cos t| (a and b their deviations).
    angle, a, b = 0.7, 2.0, 3.0
    first, second = np.array([1.0, 0.0]), np.array([np.cos(angle), np.sin(angle)])
    found = frechet_distance(
        known(np.zeros(2), a**2 * np.outer(first, first)), known(np.zeros(2), b**2 * np.outer(second, second))
    )
    assert found == pytest.approx(a**2 + b**2 - 2 * a * b * np.cos(angle), rel=1e-12)


def test_rank_below_dimension_as_a_limit() -> None:
    # Adding e to every variance moves either Gaussian by at most sqrt(D e): the root of the distance by twice that.
    random = np.random.default_rng(3)
    a, b = (known(np.zeros(40), covariance(random, 40, 10)) for _ in range(2))
    lifted = [known(x.mean, x.covariance + 1e-10 * np.eye(40)) for x in (a, b)]
    assert np.sqrt(frechet_distance(a, b)) == pytest.approx(np.sqrt(frechet_distance(*lifted)), abs=2 * np.sqrt(40e-10))


@pytest.mark.parametrize("rank", [0, 1, 20, 300])
def test_distance_to_itself_is_nothing(rank: int) -> None:
    random = np.random.default_rng(rank)
    same = known(random.standard_normal(100), covariance(random, 100, rank) if rank else np.zeros((100, 100)))
    assert 0 <= frechet_distance(same, same) <= 1e-11


def test_small_variances_count() -> None:
    a, b = known(np.zeros(2), np.diag([1.0, 1e-6])), known(np.zeros(2), np.diag([1.0, 4e-6]))
    assert frechet_distance(a, b) == pytest.approx(1e-6, rel=1e-8)


def full(features: np.ndarray) -> GaussianMoments:
    """Moments by way of the whole covariance in float64."""
    exact = features.astype(np.float64)
    return GaussianMoments.from_covariance(exact.mean(axis=0), np.cov(exact.T), len(features))


@pytest.mark.parametrize(("first", "second"), [(20, 20), (20, 59), (20, 60), (59, 500), (2, 500), (60, 61)])
def test_few_samples_have_the_distance_of_their_whole_covariances(first: int, second: int) -> None:
    random = np.random.default_rng(first + second)
    a = random.standard_normal((first, 60)).astype(np.float32) * np.linspace(0.01, 3, 60, dtype=np.float32)
    b = (random.standard_normal((second, 60)) + 0.3).astype(np.float32)
    few, whole = (gaussian_moments(a), gaussian_moments(b)), (full(a), full(b))
    for moments, exact in zip(few, whole, strict=True):
        np.testing.assert_allclose(moments.mean, exact.mean, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(moments.covariance, exact.covariance, rtol=1e-11, atol=1e-13)
    assert frechet_distance(*few) == pytest.approx(frechet_distance(*whole), rel=1e-11)
    assert frechet_distance(*reversed(few)) == pytest.approx(frechet_distance(*few), rel=1e-12)


def test_few_samples_of_two_points_each_are_lines() -> None:
    """Of two points the deviation is their distance over the square root of 2: here 2 and 3, at an angle of 0.7."""
    angle, wide = 0.7, np.zeros((2, 2, 50))
    wide[0, :, 0] = np.array([-1, 1]) * 2 / np.sqrt(2)
    wide[1, :, :2] = np.outer([-1, 1], [np.cos(angle), np.sin(angle)]) * 3 / np.sqrt(2)
    wide[1, :, 2] = 5.0
    found = frechet_distance(*map(gaussian_moments, wide))
    assert found == pytest.approx(25 + 4 + 9 - 2 * 2 * 3 * np.cos(angle), rel=1e-12)


def test_few_samples_make_no_square_matrix() -> None:
    """20 samples of 3,888 dimensions took 36 s of processor time, and a covariance of 121 MB."""
    few = np.random.default_rng(0).standard_normal((20, 3888)).astype(np.float32)
    tracemalloc.start()
    moments = gaussian_moments(few)
    assert 0 <= frechet_distance(moments, moments) < 1e-9
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


def test_distance_of_points() -> None:
    assert frechet_distance(known([0.0, 0.0], np.zeros((2, 2))), known([3.0, 4.0], np.zeros((2, 2)))) == 25.0


def test_distance_of_samples_approaches_that_of_their_distributions() -> None:
    random = np.random.default_rng(0)
    first = random.standard_normal((200_000, 3)).astype(np.float32)
    second = (random.standard_normal((200_000, 3)) * [1.0, 2.0, 0.5] + [1.0, 0.0, 0.0]).astype(np.float32)
    assert frechet_distance(gaussian_moments(first), gaussian_moments(second)) == pytest.approx(1 + 1 + 0.25, abs=0.03)


@pytest.mark.slow
def test_distance_of_784_columns_takes_seconds() -> None:
    random = np.random.default_rng(0)
    a, b = (gaussian_moments(random.standard_normal((10_000, 784), dtype=np.float32)) for _ in range(2))
    start = time.process_time()
    frechet_distance(a, b)
    assert time.process_time() - start < 10


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="features: expected 2 or more samples, got 1"):
        gaussian_moments(np.zeros((1, 3)))
    with pytest.raises(InvalidValueError, match=r"features: expected features of shape \(N, D\), got \(3,\)"):
        gaussian_moments(np.zeros(3))
    for wrong in (np.nan, np.inf):
        with pytest.raises(InvalidValueError, match=f"features: expected finite numbers, got {wrong}"):
            gaussian_moments(np.array([[0.0, 1.0], [0.0, wrong]]))
    moments = MomentAccumulator()
    moments.add(np.zeros((2, 3)))
    with pytest.raises(InvalidValueError, match="3 columns, as before"):
        moments.add(np.zeros((2, 4)))
    with pytest.raises(InvalidValueError, match=r"a mean of shape \(3,\)"):
        frechet_distance(known(np.zeros(3), np.eye(3)), known(np.zeros(2), np.eye(2)))
