"""Latents: of seeds, of files, truncated, and between each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from gan_cli.errors import ConfigError, InvalidValueError
from gan_cli.inference.latents import (
    Truncation,
    TruncationMode,
    interpolate,
    latents_of_seeds,
    read_latents,
    truncated,
)
from gan_cli.runtime.rng import fixed_latents


def test_latent_of_a_seed_is_the_first_one_of_its_stream() -> None:
    latents = latents_of_seeds([7, 3, 2**63 - 1], 5)
    for row, seed in enumerate((7, 3, 2**63 - 1)):
        assert torch.equal(latents[row], fixed_latents(seed, 300, 5)[0])
    assert torch.equal(latents_of_seeds([3], 5)[0], latents[1])


@pytest.mark.parametrize("bound", [0.3, 0.7, 2.0])
def test_bounded_latents_have_the_distribution_of_drawing_again(bound: float) -> None:
    latents = fixed_latents(0, 20_000, 1)
    cut = truncated(latents, bound)
    assert cut.dtype == latents.dtype
    assert float(cut.abs().max()) <= bound
    drawn_again = latents[latents.abs() <= bound]
    assert stats.ks_2samp(cut.ravel().numpy(), drawn_again.numpy()).pvalue > 0.01
    assert stats.kstest(cut.ravel().numpy(), stats.truncnorm(-bound, bound).cdf).pvalue > 0.01


def test_bounded_latents_are_a_monotone_function_of_the_latents() -> None:
    latents = torch.linspace(-8, 8, 1601)[:, None]
    cut = truncated(latents, 0.7)
    assert (cut.diff(dim=0) >= 0).all()
    assert torch.equal(cut, -truncated(-latents, 0.7))
    assert (cut.abs() <= latents.abs() + 1e-7).all()
    near = latents[latents.abs() < 6]
    torch.testing.assert_close(truncated(near, 50.0), near, atol=1e-5, rtol=1e-5)  # as good as no bound


def test_scaled_latents() -> None:
    latents = fixed_latents(0, 4, 3)
    assert torch.equal(Truncation(0.5, TruncationMode.scale)(latents), latents / 2)


@pytest.mark.parametrize("amount", [0.0, -1.0, float("nan"), float("inf")])
def test_truncation_is_a_positive_number(amount: float) -> None:
    with pytest.raises(InvalidValueError, match="truncation"):
        Truncation(amount)


def test_interpolation_has_both_ends() -> None:
    start, end = fixed_latents(0, 2, 8).split(1)
    path = interpolate(start, end, 5)
    assert path.shape == (5, 1, 8)
    torch.testing.assert_close(path[0], start)
    torch.testing.assert_close(path[-1], end)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_latents_of_a_file(dtype: type, tmp_path: Path) -> None:
    values = np.arange(6, dtype=dtype).reshape(2, 3)
    np.save(tmp_path / "z.npy", values)
    assert torch.equal(read_latents(tmp_path / "z.npy", 3), torch.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((2, 4)), r"expected an array of shape \(N, 3\), got \(2, 4\) in"),
        (np.zeros(3), r"got \(3,\)"),
        (np.zeros((0, 3)), r"got \(0, 3\)"),
        (np.zeros((2, 3), int), "expected floats, got int64"),
        (np.full((2, 3), np.nan), "expected finite numbers"),
        (np.full((2, 3), 1e300), "expected finite numbers"),
        (np.array([{}]), "is no array of numbers"),
    ],
    ids=["width", "vector", "none", "integers", "nan", "overflow", "pickle"],
)
def test_other_files_are_refused(values: np.ndarray, words: str, tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", values)
    with pytest.raises(ConfigError, match=words), np.errstate(over="ignore"):
        read_latents(tmp_path / "z.npy", 3)


def test_file_that_is_missing_or_no_array(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_latents(tmp_path / "z.npy", 3)
    (tmp_path / "z.npy").write_text("no array")
    with pytest.raises(ConfigError, match="is no array of numbers"):
        read_latents(tmp_path / "z.npy", 3)
