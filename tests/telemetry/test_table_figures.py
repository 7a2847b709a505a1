"""Pictures of tables: which columns are where, in which units, and what their bars and points show."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gan_cli.protocols.algorithm import Preview, ShownTable
from gan_cli.protocols.tables import TableColumns
from gan_cli.telemetry import figures
from gan_cli.telemetry.images import FAKE, REAL
from gan_cli.telemetry.table_figures import BAR
from tests.telemetry.test_figures import contains

RNG = np.random.default_rng(0)


def columns(count: int, names: str = "abcdefghijklm") -> TableColumns:
    return TableColumns(tuple(f"col {name}" for name in names[:count]), (1000.0,) * count, (10.0,) * count)


def figure(count: int, *, real: bool = True, spread: float = 1.0) -> Image.Image:
    shown = RNG.normal(size=(100, count)).clip(-2, 2).astype(np.float32) if real else None
    samples = (spread * RNG.normal(size=(300, count))).astype(np.float32)
    return figures.preview_figure(Preview(samples, table=ShownTable(columns(count), shown)), 2000)


@pytest.mark.parametrize("count", [1, 3, 6, 13])
def test_figure_has_names_units_and_a_legend(count: int) -> None:
    picture = figure(count)
    for text in ("step 2,000", "real", "generated", *columns(min(count, 6)).names):
        assert contains(picture, text), text
    assert contains(picture, "1000")
    assert not contains(picture, "col g")
    assert contains(picture, "the first 6 of 13 columns") == (count == 13)


def test_pairs_are_histograms_on_the_diagonal_and_points_beside_it() -> None:
    sheet = np.asarray(figure(3))
    side = sheet.shape[0] // 3
    first, right = sheet[40:200, 100:280], sheet[40:200, 350:500]
    assert (first == BAR).any()
    assert not (right == BAR).any()
    assert (right == REAL).any()
    assert (right == FAKE).any()
    assert side > 200


def test_pictures_of_a_run_have_one_size_whatever_is_generated() -> None:
    sizes = {figure(4, spread=spread).size for spread in (0.0, 1.0, 1e6)}
    assert len(sizes) == 1
    samples = np.full((5, 4), np.nan, np.float32)
    table = ShownTable(columns(4), np.zeros((3, 4), np.float32))
    assert figures.preview_figure(Preview(samples, table=table), 1).size in sizes


def test_generated_rows_far_away_leave_the_real_ones_to_be_seen() -> None:
    """Half the range of the real numbers is room for others: the real bars stay in the middle half."""
    sheet = np.asarray(figure(1, spread=1e4))[40:450, 80:]
    bars = np.flatnonzero((sheet == BAR).any(axis=0))
    assert 0.4 < (bars[-1] - bars[0]) / sheet.shape[1] < 0.6


@pytest.mark.parametrize("count", [1, 2, 3, 13])
def test_samples_of_a_table_have_names_and_units_without_any_real_rows(count: int) -> None:
    class Tabular:
        def table_columns(self) -> TableColumns:
            return columns(count)

    picture = figures.sample_figure(RNG.normal(size=(50, count)).astype(np.float32), None, Tabular())
    for text in ("50 rows", "generated", "col a", "1000"):
        assert contains(picture, text), text
    assert not contains(picture, "real")
