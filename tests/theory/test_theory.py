"""Entropies, divergences and the game's value, against closed forms and identities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_cli import theory
from gan_cli.errors import InvalidValueError
from gan_cli.protocols.arrays import DoubleArray

X = np.linspace(-12, 12, 4801)


def gaussian(mean: float, deviation: float) -> DoubleArray:
    density = np.exp(-np.square((X - mean) / deviation) / 2)
    return density / density.sum()


def distributions(size: int = 6) -> st.SearchStrategy[DoubleArray]:
    weights = st.lists(st.floats(1e-3, 1.0), min_size=size, max_size=size)
    return weights.map(lambda each: np.array(each) / np.sum(each))


def test_information_of_a_coin_is_one_bit_and_of_a_certain_event_zero() -> None:
    assert theory.information([0.5, 0.25, 1.0], base=2).tolist() == [1.0, 2.0, 0.0]
    assert theory.information(0.0) == math.inf


def test_entropy_is_largest_for_equal_probabilities() -> None:
    assert theory.entropy(np.full(8, 1 / 8), base=2) == pytest.approx(3.0)
    assert theory.entropy([1.0, 0.0, 0.0]) == 0.0


def test_entropy_of_a_gaussian() -> None:
    # Of the density: that of the cells, and the logarithm of their width.
    width = X[1] - X[0]
    assert theory.entropy(gaussian(1.0, 1.5)) + math.log(width) == pytest.approx(
        0.5 * math.log(2 * math.pi * math.e * 1.5**2), abs=1e-6
    )


@given(distributions(), distributions())
def test_cross_entropy_is_entropy_and_divergence(p: DoubleArray, q: DoubleArray) -> None:
    assert theory.cross_entropy(p, q) == pytest.approx(theory.entropy(p) + theory.kl_divergence(p, q))
    assert theory.kl_divergence(p, q) >= 0
    assert theory.kl_divergence(p, p) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (2.0, 1.0), (-1.0, 0.5), (1.0, 2.0)])
def test_kl_divergence_of_gaussians_and_its_direction(mean: float, deviation: float) -> None:
    def closed_form(m1: float, s1: float, m2: float, s2: float) -> float:
        return math.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5

    p, q = gaussian(0.0, 1.0), gaussian(mean, deviation)
    assert theory.kl_divergence(p, q) == pytest.approx(closed_form(0, 1, mean, deviation), abs=1e-5)
    assert theory.kl_divergence(q, p) == pytest.approx(closed_form(mean, deviation, 0, 1), abs=1e-5)
    if deviation != 1:
        assert theory.kl_divergence(p, q) != pytest.approx(theory.kl_divergence(q, p), rel=0.1)


def test_kl_divergence_is_infinite_where_the_model_has_no_mass() -> None:
    assert theory.kl_divergence([0.5, 0.5], [1.0, 0.0]) == math.inf
    assert theory.kl_divergence([1.0, 0.0], [0.5, 0.5]) == pytest.approx(math.log(2))


@given(distributions(), distributions())
def test_jensen_shannon_divergence_is_symmetric_and_bounded(p: DoubleArray, q: DoubleArray) -> None:
    value = theory.js_divergence(p, q)
    assert value == pytest.approx(theory.js_divergence(q, p))
    assert -1e-12 <= value <= math.log(2) + 1e-12
    # Pinsker's inequality for each half, against the mixture, which is half as far.
    assert value >= theory.total_variation(p, q) ** 2 / 2 - 1e-12


def test_without_overlap_divergences_stand_at_their_ceilings_however_far_apart() -> None:
    near, far, data = np.zeros(100), np.zeros(100), np.zeros(100)
    data[0] = near[1] = far[90] = 1.0
    for q in (near, far):
        assert theory.js_divergence(data, q) == pytest.approx(math.log(2))
        assert theory.total_variation(data, q) == pytest.approx(1.0)
        assert theory.optimal_value(data, q) == pytest.approx(0.0)
    places = np.arange(100.0)
    assert theory.wasserstein_1d(places, data, near) == pytest.approx(1.0)
    assert theory.wasserstein_1d(places, data, far) == pytest.approx(90.0)


def test_earth_mover_distance_of_moved_and_of_widened_gaussians() -> None:
    assert theory.wasserstein_1d(X, gaussian(0, 1), gaussian(3, 1)) == pytest.approx(3.0, abs=1e-6)
    # Between N(0, 1) and N(0, 4) mass moves by its own distance from 0: E|x|.
    assert theory.wasserstein_1d(X, gaussian(0, 1), gaussian(0, 2)) == pytest.approx(math.sqrt(2 / math.pi), abs=1e-5)


@given(distributions(), distributions(), st.lists(st.floats(0.01, 0.99), min_size=6, max_size=6))
def test_no_discriminator_has_a_higher_value_than_the_best(p: DoubleArray, q: DoubleArray, d: list[float]) -> None:
    best = theory.optimal_discriminator(p, q)
    assert theory.game_value(p, q, best) == pytest.approx(theory.optimal_value(p, q))
    assert theory.game_value(p, q, d) <= theory.optimal_value(p, q) + 1e-12


def test_where_p_equals_q_the_best_discriminator_guesses() -> None:
    p = gaussian(0, 1)
    assert theory.optimal_discriminator(p, p) == pytest.approx(np.full_like(p, 0.5))
    assert theory.optimal_value(p, p) == pytest.approx(-2 * math.log(2))
    assert theory.optimal_discriminator([0.0], [0.0]).tolist() == [0.5]


def test_a_certain_and_wrong_discriminator_has_a_finite_value() -> None:
    assert math.isfinite(theory.game_value([1.0, 0.0], [0.0, 1.0], [0.0, 1.0]))


@pytest.mark.parametrize(
    ("p", "q", "words"),
    [
        ([0.5, 0.6], [0.5, 0.5], "p: expected probabilities that sum to 1, got 1.1"),
        ([1.5, -0.5], [0.5, 0.5], "p: expected finite numbers >= 0, got -0.5"),
        ([0.5, 0.5], [1.0], "q: expected 2 probabilities, as many as p has, got 1"),
    ],
)
def test_what_is_no_distribution_is_rejected(p: list[float], q: list[float], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words.replace("(", r"\(")):
        theory.js_divergence(p, q)


def test_positions_have_to_ascend() -> None:
    with pytest.raises(InvalidValueError, match="positions"):
        theory.wasserstein_1d([0.0, 0.0], [0.5, 0.5], [1.0, 0.0])
    with pytest.raises(InvalidValueError, match="positions"):
        theory.wasserstein_1d([0.0], [0.5, 0.5], [1.0, 0.0])
