"""Labels that a user names for samples, and conditions that a checkpoint of unknown origin may hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gan_cli.errors import ConfigError
from gan_cli.inference.label_choice import choose_labels
from gan_cli.inference.stored_condition import read_condition, stored_condition
from gan_cli.protocols.conditions import ConditionKind, VectorCondition

NUMBERS = VectorCondition(ConditionKind.numbers, ("age", "angle"), ((20.0, 60.0), (-3.0, 3.0)))
ANGLE = VectorCondition(ConditionKind.numbers, ("angle",), ((0.0, 6.0),))
SEVERAL = VectorCondition(ConditionKind.several, ("young", "smiling", "a, b"), ((0.0, 1.0),) * 3)


def test_classes() -> None:
    assert choose_labels(None, 0, ()).values(4) is None
    each = choose_labels(None, 3, ("a", "b", "c"))
    assert each.values(6).tolist() == [0, 0, 1, 1, 2, 2]  # type: ignore[union-attr]
    assert each.columns(6) == 2
    assert each.lines == ["rows: classes 0 to 2: 0 'a', 1 'b', 2 'c'"]
    one = choose_labels("b", 3, ("a", "b", "c"))
    assert one.values(2).tolist() == [1, 1]  # type: ignore[union-attr]
    assert one.lines == ["label b: class 'b', index 1"]
    with pytest.raises(ConfigError, match="conditional=true trains with them"):
        choose_labels("a", 0, ())


def test_several() -> None:
    for word, vector in (("smiling,young", [1, 1, 0]), ("", [0, 0, 0]), ("a, b", [0, 0, 1]), ("young ", [1, 0, 0])):
        values = choose_labels(word, SEVERAL, ()).values(2)
        assert values is not None
        assert values.dtype == np.float32
        assert values.tolist() == [vector] * 2
    each = choose_labels(None, SEVERAL, ())
    assert each.values(6).tolist() == np.eye(3).repeat(2, 0).tolist()  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match=r"got 'smilin'\. Did you mean 'smiling'\?"):
        choose_labels("young,smilin", SEVERAL, ())


def test_numbers() -> None:
    for word, vector in (("30,1.5", [30, 1.5]), ("angle=1.5,age=30", [30, 1.5]), ("30, angle = 1.5", [30, 1.5])):
        chosen = choose_labels(word, NUMBERS, ())
        assert chosen.values(3).tolist() == [vector] * 3  # type: ignore[union-attr]
        assert chosen.lines == []
    assert choose_labels("0.5", ANGLE, ()).values(1).tolist() == [[0.5]]  # type: ignore[union-attr]
    outside = choose_labels("angle=9", ANGLE, ())
    assert outside.lines == ["label angle=9: outside of the data that were learned, 0 to 6"]
    assert outside.values(1).tolist() == [[9]]  # type: ignore[union-attr]


def test_grids_over_numbers() -> None:
    grid = choose_labels("angle=0:4", ANGLE, ())
    assert (grid.columns(9), grid.shared(9)) == (3, 3)
    assert grid.values(9).ravel().tolist() == [0, 2, 4] * 3  # type: ignore[union-attr]
    both = choose_labels("angle=2:-2,age=20:60", NUMBERS, ())
    assert both.shared(9) == 9
    values = both.values(9)
    assert values is not None
    assert values[:3].tolist() == [[20, 2], [20, 0], [20, -2]]
    assert values[::3].tolist() == [[20, 2], [40, 2], [60, 2]]
    assert both.lines == ["label: angle from 2 to -2, left to right; age from 20 to 60, top to bottom"]
    by_default = choose_labels(None, NUMBERS, ()).values(4)
    assert by_default is not None
    assert by_default.tolist() == [[20, -3], [60, -3], [20, 3], [60, 3]]
    assert len(choose_labels(None, NUMBERS, ()).values(5)) == 5  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("30", "'angle' is missing"),
        ("30,1,2", "expected one number for each of 'age', 'angle', got 30,1,2"),
        ("age=30,age=31", "expected one number for each"),
        ("agee=30,angle=1", r"got 'agee'\. Did you mean 'age'\?"),
        ("30,nan", "got 'nan'"),
        ("30,1e99", "got '1e99'"),
        ("30,", "got ''"),
        ("cat", "expected numbers, such as 0.3 or angle=0.3, or ranges"),
    ],
)
def test_mistakes_in_numbers(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        choose_labels(word, NUMBERS, ())
    assert "\n" not in str(refused.value)


def test_ranges_of_three_numbers_have_no_grid() -> None:
    three = VectorCondition(ConditionKind.numbers, ("a", "b", "c"), ((0.0, 1.0),) * 3)
    with pytest.raises(ConfigError, match="one or two numbers, which a grid has, got 3"):
        choose_labels("0:1,0:1,0:1", three, ())


def test_conditions_are_stored_as_plain_values() -> None:
    for condition in (0, 7, NUMBERS, SEVERAL):
        assert read_condition(stored_condition(condition)) == condition


WHOLE: dict[str, Any] = {"kind": "numbers", "names": ["x"], "ranges": [[0.0, 1.0]]}


@pytest.mark.parametrize(
    "stored",
    [
        -1,
        10**9,
        "cat",
        None,
        {},
        {**WHOLE, "kind": "other"},
        {**WHOLE, "names": []},
        {**WHOLE, "names": ["x", "y"]},
        {**WHOLE, "names": [""]},
        {**WHOLE, "names": ["x" * 10_000]},
        {**WHOLE, "names": [3]},
        {**WHOLE, "ranges": [[0.0]]},
        {**WHOLE, "ranges": [[1.0, 0.0]]},
        {**WHOLE, "ranges": [[0.0, math.inf]]},
        {**WHOLE, "ranges": [[0.0, "1"]]},
        {**WHOLE, "ranges": {"x": [0.0, 1.0]}},
        {"kind": "numbers", "names": ["x"] * 5000, "ranges": [[0.0, 1.0]] * 5000},
    ],
)
def test_damaged_conditions_are_rejected(stored: Any) -> None:
    with pytest.raises((ValueError, TypeError, LookupError)):
        read_condition(stored)
