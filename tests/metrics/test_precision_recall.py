"""Neighbours, and precision, recall, density and coverage, against loops that say what the papers say."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from gan_cli.errors import InvalidValueError
from gan_cli.metrics import features
from gan_cli.metrics.features import RELATIVE_ERROR, distances, nearest, tiles
from gan_cli.metrics.precision_recall import Manifold, expected_coverage, manifold, radii


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.square(a.astype(np.float64) - b.astype(np.float64)).sum()))


def naive_radius(points: np.ndarray, index: int, k: int) -> float:
    return sorted(distance(points[index], other) for j, other in enumerate(points) if j != index)[k - 1]


def naive(real: np.ndarray, generated: np.ndarray, neighbours: int, reach: int) -> Manifold:
    """Kynkaanniemi et al. 2019 and Naeem et al. 2020, one pair at a time."""
    real_near = [naive_radius(real, i, reach) for i in range(len(real))]
    real_far = [naive_radius(real, i, neighbours) for i in range(len(real))]
    generated_near = [naive_radius(generated, j, reach) for j in range(len(generated))]
    precise = [any(distance(y, x) <= r for x, r in zip(real, real_near, strict=True)) for y in generated]
    recalled = [any(distance(x, y) <= r for y, r in zip(generated, generated_near, strict=True)) for x in real]
    balls = sum(distance(y, x) <= r for y in generated for x, r in zip(real, real_far, strict=True))
    covered = [any(distance(y, x) <= r for y in generated) for x, r in zip(real, real_far, strict=True)]
    density = balls / (neighbours * len(generated))
    return Manifold(float(np.mean(precise)), float(np.mean(recalled)), density, float(np.mean(covered)))


def same(found: Manifold, expected: Manifold) -> None:
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-12), name


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [1, 2, 30])
def test_manifold_is_the_definition(columns: int, kind: type) -> None:
    random = np.random.default_rng(columns)
    real = random.standard_normal((70, columns)).astype(kind)
    generated = (0.7 * random.standard_normal((50, columns)) + 0.3).astype(kind)
    same(manifold(real, generated, neighbours=4, reach=2), naive(real, generated, 4, 2))


def test_duplicates_and_ties_are_exact() -> None:
    # On a grid of whole numbers far from 0 nearly every neighbour is at a radius, and many samples are the same.
    random = np.random.default_rng(0)
    real = random.integers(0, 4, (60, 3)) + 1000.1
    generated = random.integers(1, 6, (60, 3)) + 1000.1
    same(manifold(real, generated, neighbours=5, reach=3), naive(real, generated, 5, 3))


def test_an_outlier_makes_no_other_pair_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []

    def count(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        measured.append(len(first))
        return distances(first, second)

    monkeypatch.setattr(features, "distances", count)
    random = np.random.default_rng(0)
    real, generated = random.standard_normal((100, 4)), random.standard_normal((100, 4))
    generated[0] = 1e8
    found = manifold(real, generated)
    neighbours = 100 * (6 + 4)  # `nearest` measures each sample's own neighbours: of real ones 6, of generated ones 4
    assert sum(measured) - neighbours <= 300  # the outlier's own pairs, once for each of three radii
    same(found, naive(real, generated, 5, 3))


def test_tiles_cover_all_pairs_whatever_their_side() -> None:
    random = np.random.default_rng(0)
    a, b = random.standard_normal((37, 6)).astype(np.float32), random.standard_normal((23, 6)).astype(np.float32) + 50
    expected = np.square(a[:, None].astype(np.float64) - b[None].astype(np.float64)).sum(axis=2)
    for side in (1, 10, 37, 100):
        found = np.full((37, 23), np.nan)
        for tile in tiles(a, b, side):
            slack = RELATIVE_ERROR * (tile.first_squares[:, None] + tile.second_squares)
            assert (np.abs(tile.squares - expected[tile.rows, tile.columns]) <= slack).all()
            found[tile.rows, tile.columns] = tile.squares
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_more_samples_than_a_tile_has_rows() -> None:
    # In one dimension sorted neighbours give the definition quickly enough for a few thousand.
    random = np.random.default_rng(5)
    real, generated = random.standard_normal(2500), random.standard_normal(1300) + 0.5
    real_gaps, generated_gaps = (np.sort(np.abs(x[:, None] - x), axis=1) for x in (real, generated))
    apart = np.abs(generated[:, None] - real)
    inside = apart <= real_gaps[:, 5]
    found = manifold(real[:, None], generated[:, None])
    assert found.precision == pytest.approx((apart <= real_gaps[:, 3]).any(axis=1).mean(), abs=1e-12)
    assert found.recall == pytest.approx((apart <= generated_gaps[:, 3, None]).any(axis=0).mean(), abs=1e-12)
    assert found.density == pytest.approx(inside.sum() / (5 * 1300), abs=1e-12)
    assert found.coverage == pytest.approx(inside.any(axis=0).mean(), abs=1e-12)


def test_equal_distributions_give_what_the_lemmas_expect() -> None:
    random = np.random.default_rng(0)
    found = [manifold(*random.standard_normal((2, 300, 3))) for _ in range(60)]
    density = [one.density for one in found]
    coverage = [one.coverage for one in found]
    assert np.mean(density) == pytest.approx(1.0, abs=4 * np.std(density) / np.sqrt(60))
    expected = expected_coverage(300, 300)
    assert expected == pytest.approx(1 - 0.5**5, abs=0.005)
    assert np.mean(coverage) == pytest.approx(expected, abs=4 * np.std(coverage) / np.sqrt(60))


def test_expected_coverage_in_a_case_to_count() -> None:
    # k = 1: covered unless the nearest of the N - 1 + M others is real.
    assert expected_coverage(4, 6, 1) == pytest.approx(1 - 3 / 9)


def test_extremes() -> None:
    real = np.random.default_rng(0).standard_normal((200, 4))
    same(manifold(real, real + 1000), Manifold(0.0, 0.0, 0.0, 0.0))
    alike = manifold(real, real)
    assert (alike.precision, alike.recall, alike.coverage) == (1.0, 1.0, 1.0)
    assert alike.density == pytest.approx((5 + 1) / 5)  # each ball holds its centre and five others
    collapsed = manifold(real, np.repeat(real[:1], 100, axis=0))
    assert collapsed.precision == 1.0
    assert collapsed.recall == 1 / 200
    assert collapsed.coverage < 0.1


@pytest.mark.parametrize("columns", [2, 40])
def test_nearest_is_a_full_sort(columns: int) -> None:
    random = np.random.default_rng(columns)
    queries, references = (random.standard_normal((n, columns)).astype(np.float32) for n in (50, 80))
    table = np.sqrt(np.square(queries[:, None].astype(np.float64) - references).sum(axis=2))
    found = nearest(queries, references, 7)
    np.testing.assert_array_equal(found.indices, np.argsort(table, axis=1)[:, :7])
    np.testing.assert_allclose(found.distances, np.sort(table, axis=1)[:, :7], rtol=1e-12)
    assert found.indices.dtype == np.int64


def test_copies_are_found_at_no_distance() -> None:
    references = np.random.default_rng(0).random((300, 100)).astype(np.float32)
    found = nearest(references[:20], references, 2)
    assert not found.distances[:, 0].any()
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(20))


def test_points_far_from_zero_are_distinguished() -> None:
    points = np.random.default_rng(0).standard_normal((200, 20))
    np.testing.assert_array_equal(nearest(points + 1e7, points + 1e7, 3).indices, nearest(points, points, 3).indices)


def test_radii_are_those_of_the_definition() -> None:
    points = np.random.default_rng(0).standard_normal((40, 3))
    points[7] = points[3]
    np.testing.assert_allclose(radii(points, 2), [naive_radius(points, i, 2) for i in range(40)], rtol=1e-12)
    assert radii(points, 1)[7] == 0.0


def peak(count: int) -> int:
    random = np.random.default_rng(0)
    real, generated = random.standard_normal((2, count, 2)).astype(np.float32)
    manifold(real[:50], generated[:50])  # imports
    tracemalloc.start()
    manifold(real, generated)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_memory_does_not_grow_with_the_pairs() -> None:
    assert peak(6000) < 40e6  # the distances between them are 288 MB


@pytest.mark.slow
def test_fifty_thousand_by_fifty_thousand() -> None:
    assert peak(50_000) < 80e6  # 20 GB


def test_what_cannot_be_measured_is_refused() -> None:
    few, many = np.zeros((5, 2)), np.zeros((9, 2))
    with pytest.raises(InvalidValueError, match=r"neighbours: expected an integer from 1 to 4.*, got 5"):
        manifold(few, many)
    with pytest.raises(InvalidValueError, match=r"reach: expected an integer from 1 to 4.*, got 5"):
        manifold(many, few, reach=5)
    with pytest.raises(InvalidValueError, match="generated: expected 2 columns, as real have"):
        manifold(many, np.zeros((9, 3)))
    with pytest.raises(InvalidValueError, match="real: expected finite numbers, got nan"):
        manifold(np.full((9, 2), np.nan), many)
    with pytest.raises(InvalidValueError, match="k: expected an integer from 1 to 5"):
        nearest(many, few, 6)
    with pytest.raises(InvalidValueError, match="k: expected an integer from 1 to 4"):
        radii(few, 5)
