"""Copies of the training data are told from fresh samples, and fresh samples raise no more alarms than they may."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from gan_cli.errors import InvalidValueError
from gan_cli.metrics.memorization import Memorization, memorization

COLUMNS = 5


def fresh(random: np.random.Generator, count: int) -> np.ndarray:
    return random.standard_normal((count, COLUMNS)).astype(np.float32)


def trial(seed: int, copies: int, others: int, move: float = 0.0) -> Memorization:
    """Generated samples of which some are copies of training data, and the rest fresh ones moved away."""
    random = np.random.default_rng(seed)
    train, held_out = fresh(random, 500), fresh(random, 300)
    generated = np.concatenate([train[random.integers(500, size=copies)], fresh(random, others) + np.float32(move)])
    return memorization(train, held_out, generated)


def test_copies_score_as_memorised() -> None:
    found = trial(0, copies=200, others=0)
    assert found.score == 1.0
    assert found.statistic < -10
    assert found.copied == 1.0
    assert found.ratio == 0.0
    assert not found.nearest.distances.any()


def test_near_copies_score_as_memorised() -> None:
    random = np.random.default_rng(0)
    train = fresh(random, 500)
    found = memorization(train, fresh(random, 300), train[:200] + 0.01 * fresh(random, 200))
    assert found.score > 0.99
    assert found.copied > 0.95
    np.testing.assert_array_equal(found.nearest.indices[:, 0], np.arange(200))


def test_fresh_samples_raise_no_more_alarms_than_a_normal_variable() -> None:
    # Training data are drawn anew each time, so the two sets of distances are as independent as in use.
    found = [trial(seed, copies=0, others=200) for seed in range(400)]
    statistics = np.array([one.statistic for one in found])
    assert statistics.mean() == pytest.approx(0.0, abs=4 / math.sqrt(400))
    assert statistics.std() == pytest.approx(1.0, abs=4 / math.sqrt(2 * 400))
    assert (statistics < -1.645).mean() == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 400))
    assert (statistics < -4).sum() == 0
    assert np.mean([one.score for one in found]) == pytest.approx(0.5, abs=0.01)
    assert np.mean([one.ratio for one in found]) == pytest.approx(1.0, abs=0.01)
    assert np.mean([one.copied for one in found]) == pytest.approx(0.01, abs=0.002)


def test_samples_that_miss_the_data_are_not_memorised() -> None:
    found = trial(0, copies=0, others=200, move=20.0)
    assert (found.score, found.copied) == (0.0, 0.0)
    assert found.statistic > 10
    assert found.ratio > 5


def test_copies_show_among_samples_that_miss_the_data() -> None:
    found = trial(0, copies=60, others=140, move=20.0)
    assert found.score == pytest.approx(0.3, abs=0.01)  # on average farther away than real samples
    assert found.copied == pytest.approx(0.3, abs=0.01)


def test_statistic_is_mann_and_whitneys_with_ties() -> None:
    # Points on a line, training data at 0: the distances are the points themselves, and many are equal.
    random = np.random.default_rng(0)
    held_out, generated = random.integers(0, 6, 80), random.integers(0, 5, 120)
    found = memorization(np.zeros((3, 1)), held_out[:, None].astype(float), generated[:, None].astype(float))
    test = scipy.stats.mannwhitneyu(generated, held_out, use_continuity=False, alternative="less", method="asymptotic")
    assert scipy.stats.norm.cdf(found.statistic) == pytest.approx(test.pvalue, rel=1e-9)
    nearer = (generated[:, None] < held_out).mean() + (generated[:, None] == held_out).mean() / 2
    assert found.score == pytest.approx(nearer, rel=1e-12)


def test_held_out_data_that_repeat_the_training_data() -> None:
    points = np.random.default_rng(0).standard_normal((50, 2))
    alike = memorization(points, points, points)
    assert (alike.score, alike.statistic, alike.copied) == (0.5, 0.0, 0.0)
    assert math.isnan(alike.ratio)
    assert memorization(points, points, points + 9).ratio == math.inf


def test_what_cannot_be_measured_is_refused() -> None:
    points = np.zeros((5, 2))
    with pytest.raises(InvalidValueError, match="held_out: expected 2 columns, as train have"):
        memorization(points, np.zeros((5, 3)), points)
    with pytest.raises(InvalidValueError, match="generated: expected 1 or more samples, got 0"):
        memorization(points, points, np.zeros((0, 2)))
    with pytest.raises(InvalidValueError, match="generated: expected finite numbers, got nan"):
        memorization(points, points, np.full((5, 2), np.nan))
