"""Energy distance: closed forms, every pair summed in float64, no bias whatever the number of samples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gan_cli.errors import InvalidValueError
from gan_cli.metrics.energy import energy_distance
from gan_cli.metrics.features import BLOCK_SIZE
from gan_cli.protocols.arrays import Features

RANDOM = np.random.default_rng(0)


def by_pairs(real: Features, generated: Features) -> float:
    """The definition, from differences in float64."""
    x, y = real.astype(np.float64), generated.astype(np.float64)

    def total(a: Features, b: Features) -> float:
        return math.fsum(float(np.linalg.norm(row - b, axis=1).sum()) for row in a)

    n, m = len(x), len(y)
    return 2 * total(x, y) / (n * m) - total(x, x) / (n * (n - 1)) - total(y, y) / (m * (m - 1))


@pytest.mark.parametrize(
    ("real", "generated"), [((40, 3), (50, 3)), ((BLOCK_SIZE + 7, 2), (30, 2)), ((9, 200), (4, 200))]
)
def test_it_is_the_sum_over_all_pairs(real: tuple[int, int], generated: tuple[int, int]) -> None:
    x = RANDOM.normal(5, 1, real).astype(np.float32)
    y = RANDOM.normal(4, 2, generated).astype(np.float32)
    assert energy_distance(x, y) == pytest.approx(by_pairs(x, y), rel=1e-6, abs=1e-6)
    assert energy_distance(y, x) == pytest.approx(energy_distance(x, y), rel=1e-9)


def test_two_points_each_are_known() -> None:
    """Distances between the sets are 3, 1, 1 and 3, within them 2 and 4."""
    x, y = np.array([[0.0], [2.0]]), np.array([[3.0], [-1.0]])
    assert energy_distance(x, y) == pytest.approx(2 * (3 + 1 + 1 + 3) / 4 - 2 - 4)


def test_of_two_gaussians_of_the_line_it_is_known() -> None:
    """|X - Y| is folded normal: 2 E|N(d, 2)| - 2 E|N(0, 2)|, each in closed form."""
    shift, count = 1.5, 2000
    folded = 2 / math.sqrt(math.pi) * math.exp(-(shift**2) / 4) + shift * math.erf(shift / 2)
    expected = 2 * folded - 2 * 2 / math.sqrt(math.pi)
    x, y = RANDOM.normal(size=(count, 1)), RANDOM.normal(shift, 1, (count, 1))
    assert energy_distance(x, y) == pytest.approx(expected, abs=0.1)


def test_it_is_unbiased_whatever_the_number_of_samples() -> None:
    values = [energy_distance(RANDOM.normal(size=(5, 2)), RANDOM.normal(size=(7, 2))) for _ in range(2000)]
    assert min(values) < 0
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(len(values))


def test_it_is_a_distance_of_the_line_between_distribution_functions() -> None:
    """On the line it is 2 int (F - G)^2 (Szekely and Rizzo 2013, theorem 2), here between two pairs of atoms."""
    x = np.repeat([[0.0], [1.0]], 300, axis=0)
    y = np.repeat([[0.0], [3.0]], 300, axis=0)
    # F - G is 1/2 on [1, 3) alone; a U-statistic of N atoms exceeds E|X - X'| by the factor N / (N - 1).
    biased = 2 * 0.5**2 * 2
    correction = (0.5 + 1.5) / 599
    assert energy_distance(x, y) == pytest.approx(biased - correction, rel=1e-6)


@pytest.mark.parametrize(
    ("real", "generated"),
    [
        (np.zeros((1, 2)), np.zeros((4, 2))),
        (np.zeros((4, 2)), np.zeros((4, 3))),
        (np.zeros((4, 2)), np.full((4, 2), np.nan)),
    ],
)
def test_what_has_no_distance(real: Features, generated: Features) -> None:
    with pytest.raises(InvalidValueError):
        energy_distance(real, generated)
