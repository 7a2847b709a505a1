"""Mode statistics against mixtures whose answers are known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_cli.datasets.gaussian_mixtures import Grid, Ring
from gan_cli.metrics.modes import TRUNCATED_STD, modes
from tests.helpers.paths import ROOT


@pytest.mark.parametrize("mixture", [Ring(), Grid()], ids=["ring", "grid"])
def test_the_mixture_itself_is_perfect(mixture: Ring | Grid) -> None:
    drawn = mixture.load().draw(100_000, torch.Generator().manual_seed(0)).numpy()
    centres = mixture.centres().numpy()
    found = modes(mixture.coordinates(drawn), centres, mixture.std)
    assert found.captured == len(centres)
    assert found.high_quality == pytest.approx(1 - np.exp(-4.5), abs=0.002)  # 98.9%
    assert found.spread == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(found.shares, 1.0, atol=0.08)
    np.testing.assert_allclose(found.spreads, 1.0, atol=0.05)


def test_cut_off_is_the_deviation_of_a_gaussian_that_ends_at_three() -> None:
    points = np.random.default_rng(0).standard_normal((1_000_000, 2))
    inside = points[np.square(points).sum(1) <= 9]
    assert inside.std() == pytest.approx(TRUNCATED_STD, abs=0.001)


def test_contracted_missing_and_stray_samples_show() -> None:
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]], np.float32)
    random = np.random.default_rng(0)
    narrow = centres[0] + 0.5 * random.standard_normal((600, 2))
    true = centres[1] + random.standard_normal((300, 2)) * 1e-3 + [2.9, 0.0]
    stray = np.full((100, 2), 5.2)
    found = modes(np.concatenate([narrow, true, stray]).astype(np.float32), centres, 1.0)
    assert found.captured == 2
    assert found.high_quality == pytest.approx(0.9, abs=0.001)
    np.testing.assert_allclose(found.shares, [2.4, 1.2, 0.0, 0.4], atol=1e-6)
    assert found.spreads[0] == pytest.approx(0.5 / TRUNCATED_STD, rel=0.05)
    assert found.spreads[1] == pytest.approx(2.9 / np.sqrt(2) / TRUNCATED_STD, rel=0.01)
    assert np.isnan(found.spreads[2:]).all()


@pytest.mark.slow
def test_benchmark_prints_a_row_a_seed(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/mixtures.py", "ring8_best", "--seeds", "2", "--folder", str(tmp_path)]
    short = ["--override", "train.steps=2", "--override", "train.sample_every=0"]
    done = subprocess.run([*command, *short], cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [line for line in done.stdout.splitlines() if line.startswith(("| 0 |", "| 1 |"))]
    assert len(rows) == 2
    assert "/8 |" in rows[0]
