"""Every number of the configuration has a range with two ends, and a number outside of it costs one line."""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from gan_cli.algorithms.spec import PROVIDED
from gan_cli.components.ranges import ANY_INTEGER, ANY_NUMBER, Range, number_range, union_members
from gan_cli.config.fields import section_class
from gan_cli.config.nodes import Node
from gan_cli.config.schema import Config
from gan_cli.config.targets import parameters, resolve
from gan_cli.errors import ConfigError, InvalidValueError
from tests.conftest import Command
from tests.helpers.options import option_nodes

HOSTILE = (10**23, -(10**23), 10**12, 1e300, math.nan, math.inf)


def sections(section: type = Config, path: str = "") -> Iterator[tuple[str, type, str, Any]]:
    """Yield the key, section, name and annotation of every setting of a section and of those inside it."""
    hints = typing.get_type_hints(section, include_extras=True)
    for item in dataclasses.fields(section):
        key, inner = f"{path}{item.name}", section_class(item)
        if inner is None:
            yield key, section, item.name, hints[item.name]
        else:
            yield from sections(inner, f"{key}.")


def classes() -> list[type]:
    """All classes that the files of ``conf/`` name as nodes of the configuration."""
    nodes = [node for file, _, node in option_nodes() if not file.startswith("hydra/")]
    return [resolve(name, "test") for name in sorted({str(node["_target_"]) for node in nodes})]


def numbers(annotation: Any) -> list[Any]:
    """Return the annotations of the numbers in an annotation, of those in lists too."""
    found = []
    for member in union_members(annotation):
        inner = typing.get_args(member) if typing.get_origin(member) in (tuple, list) else (member,)
        found += [each for each in inner if each is not Ellipsis and number_range(each) is not None]
    return found


NODES = [
    (target, name, parameter.annotation)
    for target in classes()
    for name, parameter in parameters(target).items()
    if name not in PROVIDED and numbers(parameter.annotation)
]
SECTIONS = [setting for setting in sections() if numbers(setting[-1])]


LABELS = [*(key for key, *_ in SECTIONS), *(f"{target.__name__}.{name}" for target, name, _ in NODES)]


@pytest.mark.parametrize("annotation", [each for *_, each in [*SECTIONS, *NODES]], ids=LABELS)
def test_every_number_has_a_range_with_two_ends(annotation: Any) -> None:
    for number in numbers(annotation):
        own = number_range(number)
        assert own not in (None, ANY_INTEGER, ANY_NUMBER)
        assert math.isfinite(own.low)
        assert math.isfinite(own.high)


def outside(annotation: Any, value: float) -> bool:
    """Whether no number with this annotation may have this value, also because it is not an integer."""
    return all(
        value not in (number_range(each) or ANY_NUMBER) or ("int" in str(each) and not isinstance(value, int))
        for each in numbers(annotation)
    )


def is_list(annotation: Any) -> bool:
    return any(typing.get_origin(member) is tuple for member in union_members(annotation))


@pytest.mark.parametrize("value", HOSTILE)
def test_number_out_of_range_costs_one_line_in_every_node(value: float) -> None:
    for target, name, annotation in NODES:
        given = [value] * 2 if is_list(annotation) else value
        if not outside(annotation, value):
            continue
        node = {"_target_": f"{target.__module__}.{target.__qualname__}", name: given}
        with pytest.raises(ConfigError) as refused:
            Node.parse(node, "part", object, {*parameters(target)} - {name})
        assert str(refused.value).startswith(f"part.{name}: expected ")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", HOSTILE)
def test_number_out_of_range_costs_one_line_in_every_section(value: float) -> None:
    for _, section, name, annotation in SECTIONS:
        if outside(annotation, value):
            with pytest.raises(InvalidValueError, match=f"^{name}: expected an? "):
                section(**{name: value})


def test_number_in_a_section_is_refused_with_its_path(gan_train: Command) -> None:
    done = gan_train("dry_run=true", "train.batch_size=100000000000000000000000", "loss.warmup.d_steps=1000000000000")
    assert (done.status, done.err.splitlines()) == (
        2,
        [
            "gan-train: loss.warmup.d_steps: expected an integer from 1 to 10,000, got 1000000000000",
            "train.batch_size: expected an integer from 1 to 1,048,576, got 100000000000000000000000",
        ],
    )


class Plugin:
    """A class of a user's own, whose numbers have no ranges."""

    def __init__(self, size: int = 1, factor: float = 1.0, sizes: tuple[int, ...] = ()) -> None:
        raise AssertionError


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("size", 10**23, "an integer from -1,099,511,627,776 to 1,099,511,627,776, got 100000000000000000000000"),
        ("factor", math.inf, "a number from -3.4e+38 to 3.4e+38, got inf"),
        ("factor", math.nan, "a number from -3.4e+38 to 3.4e+38, got nan"),
        ("sizes", [10**23], "a list of integers from -1,099,511,627,776 to 1,099,511,627,776, got [1000"),
        ("sizes", [1] * 2000, "a list of at most 1,024 values, got [1, 1, 1"),
    ],
)
def test_number_without_a_range_is_bounded_all_the_same(
    key: str, value: object, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_PLUGINS", __name__)
    with pytest.raises(ConfigError, match=re.escape(f"part.{key}: expected {expected}")):
        Node.parse({"_target_": f"{__name__}.Plugin", key: value}, "part", object)


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "description"),
    [
        (Range(1, 5), [1, 5], [0, 6, math.nan], "from 1 to 5"),
        (Range(0, 1, above=True), [1e-9, 1], [0, 1.1], "> 0 and <= 1"),
        (Range(0, 1, below=True), [0, 0.5], [-0.1, 1], ">= 0 and < 1"),
        (Range(0, 0.5, above=True, below=True, note="x: y"), [0.1], [0, 0.5], "> 0 and < 0.5 (x: y)"),
        (Range(0, 2**40), [0], [10**400, -(10**400)], "from 0 to 1,099,511,627,776"),
    ],
)
def test_range(bounds: Range, inside: list[float], outside: list[float], description: str) -> None:
    assert all(value in bounds for value in inside)
    assert not any(value in bounds for value in outside)
    assert bounds.describe() == description


def test_integer_that_no_float_can_hold_costs_one_line(gan_train: Command) -> None:
    done = gan_train("dry_run=true", f"diagnostics.rollback.lr_g=1{'0' * 400}")
    expected = "gan-train: diagnostics.rollback.lr_g: expected a number, got an integer that no float can hold\n"
    assert (done.status, done.err) == (2, expected)
    done = gan_train("dry_run=true", f"optimizer.lr=1{'0' * 400}")
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert done.err.startswith("gan-train: optimizer.lr: expected a number > 0 and <= 1e+38, got 1000")
