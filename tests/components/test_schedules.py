"""Schedules: their ends, their middle, what comes after, and what they refuse."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_cli.components.schedules import Constant, Cosine, Exponential, Linear
from gan_cli.errors import InvalidValueError
from gan_cli.protocols.algorithm import Schedule

SHAPES = [Linear, Cosine, Exponential]
SIGMA = st.floats(1e-3, 10)


@pytest.mark.parametrize("shape", SHAPES)
@given(start=SIGMA, end=SIGMA, steps=st.integers(1, 100))
@settings(deadline=None, max_examples=25)
def test_schedule_goes_one_way_from_start_to_end_and_stays_there(
    shape: type[Linear], start: float, end: float, steps: int
) -> None:
    schedule = shape(start, end, steps)
    values = [schedule(step) for step in range(steps + 1)]
    assert values[0] == pytest.approx(start, rel=1e-12)
    assert values[-1] == pytest.approx(end, rel=1e-9)
    assert {schedule(later) for later in (steps + 1, 3 * steps, 10**9)} == {values[-1]}
    sign = math.copysign(1.0, end - start)
    assert all(sign * (after - before) >= -1e-12 for before, after in pairwise(values))


@pytest.mark.parametrize(
    ("schedule", "quarter", "half"),
    [
        (Linear(1.0, 0.0, 8), 0.75, 0.5),
        (Cosine(1.0, 0.0, 8), (1 + math.sqrt(0.5)) / 2, 0.5),
        (Exponential(1.0, 0.0001, 8), 0.1, 0.01),
    ],
)
def test_value_on_the_way(schedule: Schedule, quarter: float, half: float) -> None:
    assert schedule(2) == pytest.approx(quarter)
    assert schedule(4) == pytest.approx(half)


def test_exponential_falls_by_one_ratio() -> None:
    schedule = Exponential(0.5, 0.005, 40)
    assert [schedule(step + 1) / schedule(step) for step in range(40)] == pytest.approx([0.01 ** (1 / 40)] * 40)


def test_annealing_to_zero_ends_at_zero_exactly() -> None:
    assert Linear(0.3, 0.0, 7)(7) == 0.0
    assert Cosine(0.3, 0.0, 7)(7) == 0.0


def test_constant_does_not_know_the_time() -> None:
    assert {Constant(0.1)(step) for step in (0, 1, 10**9)} == {0.1}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("start", "end", "steps", "key"), [(-0.1, 0.5, 5, "start"), (0.5, -0.1, 5, "end"), (0.5, 0.1, 0, "steps")]
)
def test_impossible_values_are_refused_by_name(
    shape: type[Linear], start: float, end: float, steps: int, key: str
) -> None:
    with pytest.raises(InvalidValueError) as refused:
        shape(start, end, steps)
    assert refused.value.key == key


@pytest.mark.parametrize(("start", "end", "key"), [(0.0, 0.1, "start"), (0.1, 0.0, "end")])
def test_exponential_refuses_zero_which_no_ratio_reaches(start: float, end: float, key: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        Exponential(start, end, 5)
    assert refused.value.key == key


@pytest.mark.parametrize("start", [-0.1, math.nan])
def test_constant_refuses_what_is_no_sigma(start: float) -> None:
    with pytest.raises(InvalidValueError):
        Constant(start)
