"""Shares of classes and of stacked modes on counts whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gan_cli.errors import InvalidValueError
from gan_cli.metrics.modes import MODES, class_shares, stacked_modes


def labels(*counts: int) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


def stack(modes: np.ndarray) -> np.ndarray:
    """Mode numbers as their three digits."""
    return np.stack([modes // 100, modes // 10 % 10, modes % 10], axis=1)


def test_shares_divergence_and_entropy() -> None:
    found = class_shares(labels(1, 3), labels(2, 2), 2)
    np.testing.assert_array_equal(found.shares, [0.25, 0.75])
    assert found.kl == pytest.approx(0.25 * math.log(0.5) + 0.75 * math.log(1.5), rel=1e-12)
    assert found.entropy == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75), rel=1e-12)


def test_even_classes() -> None:
    found = class_shares(labels(*[7] * 10), labels(*[100] * 10), 10)
    assert found.kl == 0.0
    assert found.entropy == pytest.approx(math.log(10), rel=1e-12)


def test_one_class_of_ten() -> None:
    found = class_shares(np.full(50, 3), labels(*[5] * 10), 10)
    assert found.kl == pytest.approx(math.log(10), rel=1e-12)
    assert found.entropy == 0.0
    np.testing.assert_array_equal(found.shares, np.eye(10)[3])


def test_a_class_that_the_data_lack_counts_half_a_sample() -> None:
    found = class_shares(labels(4, 4), labels(10, 0), 2)
    expected = 0.5 * math.log(0.5 / (10 / 10.5)) + 0.5 * math.log(0.5 / (0.5 / 10.5))
    assert found.kl == pytest.approx(expected, rel=1e-12)
    assert class_shares(labels(4, 0, 4), labels(5, 0, 5), 3).kl == 0.0  # nobody has it: nothing to count


def test_samples_of_the_data_give_the_documented_expectation() -> None:
    random = np.random.default_rng(0)
    data = labels(*[1000] * 10)
    found = [class_shares(random.integers(10, size=500), data, 10).kl for _ in range(2000)]
    assert np.mean(found) == pytest.approx(9 / 1000, rel=0.06)


def test_classes_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"predicted: expected classes from 0 to 2, got \[3\]"):
        class_shares(np.array([0, 3]), labels(1, 1, 1), 3)
    with pytest.raises(InvalidValueError, match=r"real: expected classes from 0 to 2, got \[-1\]"):
        class_shares(np.array([0]), np.array([-1]), 3)
    with pytest.raises(InvalidValueError, match="predicted: expected classes of shape"):
        class_shares(np.array([], np.int64), labels(1), 1)
    with pytest.raises(InvalidValueError, match="predicted: expected integers, got 'float64'"):
        class_shares(np.array([0.5]), labels(1), 1)


def test_every_mode_evenly() -> None:
    found = stacked_modes(stack(np.repeat(np.arange(MODES), 26)))
    assert (found.captured, found.kl) == (1000, 0.0)


@pytest.mark.parametrize("count", [1, 10, 500])
def test_some_modes_evenly(count: int) -> None:
    modes = np.random.default_rng(0).permutation(MODES)[:count]
    found = stacked_modes(stack(np.repeat(modes, 4)))
    assert found.captured == count
    assert found.kl == pytest.approx(math.log(MODES / count), rel=1e-12)


def test_one_digit_missing_in_one_channel() -> None:
    modes = np.arange(MODES)
    found = stacked_modes(stack(modes[modes // 10 % 10 != 4]))
    assert found.captured == 900
    assert found.kl == pytest.approx(math.log(10 / 9), rel=1e-12)


def test_channels_are_the_digits_of_the_datasets_labels() -> None:
    shares = np.full(MODES, 0.5 / (MODES - 1))
    shares[123] = 0.5
    assert stacked_modes(np.array([[1, 2, 3]]), shares).kl == pytest.approx(math.log(2), rel=1e-12)
    assert stacked_modes(np.array([[3, 2, 1]]), shares).kl == pytest.approx(math.log(2 * 999), rel=1e-12)


def test_the_protocols_number_of_samples_gives_its_noise_floor() -> None:
    random = np.random.default_rng(0)
    found = [stacked_modes(random.integers(10, size=(26_000, 3))) for _ in range(20)]
    assert np.mean([one.kl for one in found]) == pytest.approx(999 / 52_000, rel=0.03)
    assert all(one.captured == 1000 for one in found)  # each is missed with probability e^-26


def test_what_is_no_digit_and_no_share_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"predicted: expected classes from 0 to 9, got \[10\]"):
        stacked_modes(np.array([[0, 10, 0]]))
    with pytest.raises(InvalidValueError, match=r"predicted: expected digits of shape \(N, 3\), got \(3,\)"):
        stacked_modes(np.array([1, 2, 3]))
    with pytest.raises(InvalidValueError, match="predicted: expected classes of shape"):
        stacked_modes(np.zeros((0, 3), np.int64))
    with pytest.raises(InvalidValueError, match=r"data: expected shares of shape \(1000,\)"):
        stacked_modes(np.array([[1, 2, 3]]), np.full(10, 0.1))
    with pytest.raises(InvalidValueError, match="data: expected shares above 0 that add up to 1"):
        stacked_modes(np.array([[1, 2, 3]]), np.full(MODES, 0.1))
