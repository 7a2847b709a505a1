"""What a report computes: figures from broken files, spreads, ticks, words."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_cli.report import charts, columns, settings, svg
from gan_cli.report.columns import Better
from gan_cli.report.curves import collect_curves, training_seconds
from gan_cli.report.formatting import format_mean_and_deviation, format_number
from gan_cli.report.grouping import natural_sort_key, spread
from gan_cli.report.records import Curve

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=8), st.data())
def test_a_file_cut_anywhere_gives_its_whole_lines(values: list[tuple[float, float]], data: st.DataObject) -> None:
    lines = [json.dumps({"step": step, "time": 1.0, "a": a, "b": b}) for step, (a, b) in enumerate(values)]
    text = "\n".join(lines) + "\n"
    cut = text[: data.draw(st.integers(0, len(text)))]
    # The brace that ends a line makes it whole, the newline after it or not.
    whole = sum(len("\n".join(lines[: count + 1])) <= len(cut) for count in range(len(lines)))
    curves = collect_curves(cut.split("\n"))
    assert set(curves) == ({"a", "b"} if whole else set())
    for tag, place in (("a", 0), ("b", 1)):
        if whole:
            assert curves[tag].values.tolist() == [value[place] for value in values[:whole]]
            assert curves[tag].steps.tolist() == list(range(whole))


@given(st.lists(anything.map(json.dumps) | st.text(), max_size=6))
def test_no_line_is_too_broken(lines: list[str]) -> None:
    for curve in collect_curves(lines).values():
        assert len(curve.steps) == len(curve.values) > 0
        assert np.isfinite(curve.values).all()


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"step": 1e400, "a": 1}',
        '{"step": -1, "a": 1}',
        '{"step": true, "a": 1}',
        f'{{"step": 1{"0" * 400}, "a": 1}}',
        '{"step": 1, "a": NaN, "b": null, "c": "1", "d": true, "e": [1]}',
        f'{{"step": 1, "a": 1{"0" * 400}}}',
    ],
)
def test_lines_that_tell_nothing(line: str) -> None:
    assert collect_curves([line]) == {}


def test_of_two_lines_of_a_step_the_later_counts() -> None:
    lines = ['{"step": 2, "a": 1}', '{"step": 1, "a": 5}', '{"step": 2, "a": 3}']
    curve = collect_curves(lines)["a"]
    assert (curve.steps.tolist(), curve.values.tolist()) == ([1, 2], [5, 3])


def test_seconds_are_those_between_reports() -> None:
    curve = Curve(np.array([10.0, 30.0]), np.array([5.0, 4.0]))
    assert training_seconds(curve) == pytest.approx(10 / 5 + 20 / 4)
    assert training_seconds(None) is None


@given(st.lists(finite, min_size=2, max_size=20))
def test_spread_is_that_of_numpy(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    assert found.deviation is not None
    assert found.mean == pytest.approx(
        np.mean(values, dtype=np.float64), rel=1e-9, abs=max(1e-12, 1e-9 * np.abs(values).max())
    )
    assert found.deviation == pytest.approx(np.std(values, ddof=1, dtype=np.float64), rel=1e-6, abs=1e-9)
    assert found.count == len(values)


def test_spread_of_few() -> None:
    assert spread([]) is None
    one = spread([3.0])
    assert one is not None
    assert (one.mean, one.deviation, one.count) == (3.0, None, 1)


def test_band_over_runs_of_different_steps_and_lengths() -> None:
    one = Curve(np.array([0.0, 10.0, 20.0]), np.array([0.0, 1.0, 2.0]))
    two = Curve(np.array([0.0, 20.0, 40.0]), np.array([4.0, 6.0, 8.0]))
    band = charts.mean_over_seeds([one, two])
    assert band.steps.tolist() == [0, 10, 20, 40]
    assert band.mean.tolist() == [2, 3, 4, 8]
    assert band.deviation.tolist() == pytest.approx([math.sqrt(8)] * 3 + [0])


def test_long_curves_keep_their_ends() -> None:
    curve = charts.thin_curve(Curve(np.arange(10_000.0), np.arange(10_000.0)))
    assert len(curve.steps) == charts.MAX_POINTS
    assert (curve.steps[0], curve.steps[-1]) == (0, 9999)


@given(st.floats(-1e6, 1e6), st.floats(1e-4, 1e6), st.integers(2, 6))
def test_ticks_are_few_round_and_inside(low: float, size: float, count: int) -> None:
    found = svg.ticks(low, low + size, count)
    assert 1 <= len(found) <= 1.6 * count + 1
    assert all(low - 1e-6 * size <= tick <= low + size * (1 + 1e-6) for tick in found)


@given(st.lists(st.lists(finite, min_size=1, max_size=6), min_size=1, max_size=3), st.booleans())
def test_whatever_the_values_a_chart_stays_inside_its_picture(values: list[list[float]], wide: bool) -> None:
    curves = [Curve(np.arange(len(each), dtype=np.float64), np.array(each, np.float64)) for each in values]
    band = charts.mean_over_seeds(curves)
    wide = wide and bool((band.mean > 0).all())
    line = charts.Line(0, "a", band, tuple(curves), (charts.AlarmMark(0, "alarm"),))
    drawn = svg.draw(charts.Chart("loss/d", "", "", None, wide, (line,)))
    points = [point.split(",") for text in re.findall(r'points="([^"]*)"', drawn) for point in text.split()]
    assert points
    assert all(0 <= float(x) <= svg.WIDTH and 0 <= float(y) <= svg.HEIGHT for x, y in points)


def test_ticks_and_decades_of_known_ranges() -> None:
    assert svg.ticks(0, 1500, 4) == [0, 500, 1000, 1500]
    assert svg.ticks(-0.3, 0.7, 4) == [-0.2, 0, 0.2, 0.4, 0.6]
    assert svg.decades(0.02, 30) == [0.1, 1, 10]


def test_axis_places_values_in_proportion() -> None:
    straight = svg.Axis(0, 10, 100, 200)
    assert straight.coordinates(np.array([0.0, 2.5, 10.0, 99.0])).tolist() == [100, 125, 200, 200]
    logarithmic = svg.Axis(1, 100, 0, 1, logarithmic=True)
    assert logarithmic.coordinate(10) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("tag", "way"),
    [
        ("frechet/classifier", Better.lower),
        ("metrics/kernel/pixels", Better.lower),
        ("metrics/coverage", Better.higher),
        ("modes", Better.higher),
        ("class_kl", Better.lower),
        ("divergence/jsd", Better.lower),
        ("kernel_deviation/pixels", None),
        ("frechet_noise_floor", None),
        ("d/accuracy_real", None),
        ("klingon", None),
    ],
)
def test_which_way_is_better(tag: str, way: Better | None) -> None:
    assert columns.better(tag) is way


def test_what_d_estimates_measures_no_samples() -> None:
    assert columns.is_measured("frechet/pixels")
    assert columns.is_measured("metrics/recall")
    assert not columns.is_measured("divergence/wasserstein")


@pytest.mark.parametrize(
    ("mean", "deviation", "text"),
    [
        (0.13968, 0.01683, "0.140 ± 0.017"),
        (1234.5, 25.1, "1,234 ± 25"),
        (1234.5, 251.0, "1,234 ± 251"),
        (0.5, 0.0, "0.5 ± 0"),
        (0.25, None, "0.25"),
        (-3.25, 1.0, "-3.2 ± 1.0"),
    ],
)
def test_deviation_tells_how_many_digits_mean_something(mean: float, deviation: float | None, text: str) -> None:
    assert format_mean_and_deviation(mean, deviation) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.14038, "0.1404"), (1500.0, "1,500"), (2e-4, "2.00e-04"), (1e9, "1e+09")]
)
def test_figures_are_short(value: float, text: str) -> None:
    assert format_number(value) == text


@given(finite, st.none() | st.floats(0, 1e30))
def test_every_figure_has_a_text(mean: float, deviation: float | None) -> None:
    assert 0 < len(format_mean_and_deviation(mean, deviation)) < 60


def test_natural_order() -> None:
    assert sorted(["10", "2", "0.001", "1e-05", "b", "a2", "a10"], key=natural_sort_key) == [
        "1e-05",
        "0.001",
        "2",
        "10",
        "a2",
        "a10",
        "b",
    ]


def test_short_names_stay_different() -> None:
    names = settings.short_names(["loss", "optimizer.lr", "loss.penalty.r1.weight", "loss.penalty.r2.weight"])
    assert list(names.values()) == ["loss", "lr", "loss.penalty.r1.weight", "loss.penalty.r2.weight"]
    assert settings.format_setting(1e-3) == "0.001"
    assert settings.format_setting(0.1234567891) == "0.1234567891"
    assert settings.format_setting(None) == "null"
    assert settings.format_setting([1, 2]) == "[1, 2]"
