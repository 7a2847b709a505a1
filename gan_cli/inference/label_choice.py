"""Labels that samples are drawn with: those that a user names, or all of them in a grid. Imports no torch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan_cli.errors import MAX_VALUE_LENGTH, ConfigError, did_you_mean, printable, truncated_repr
from gan_cli.inference.class_labels import MAX_NAMES, describe_classes, find_class
from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.conditions import Condition, ConditionKind, VectorCondition
from gan_cli.protocols.data import ConditionValues

# Largest number of a label: what a float32 holds.
MAX_NUMBER = float(np.finfo(np.float32).max)
# Numbers of a range that each of several latents is shown with, and side of the square over two ranges.
NUMBERS_ACROSS, SQUARE_SIDE = 8, 8
# Most samples of latents that are each drawn with every label.
MAX_CROSSED = 1_000_000


@dataclass(frozen=True)
class SampleOrder:
    """Samples in the order of a grid, row by row: the latent and the label of each.

    Attributes:
        latents: index of the latent of each, ``(N,)``.
        values: their classes ``(N,)`` or vectors ``(N, K)``; None: they have no labels.
        columns: of the grid; None: any.
    """

    latents: IntArray
    values: ConditionValues | None = None
    columns: int | None = None

    @property
    def count(self) -> int:
        return len(self.latents)


class LabelChoice(ABC):
    """Labels of any number of samples.

    Attributes:
        lines: what they were taken for, and what is doubtful about them, for a reader.
    """

    lines: Sequence[str]

    @abstractmethod
    def values(self, count: int, columns: int | None = None) -> ConditionValues | None:
        """Return classes ``(count,)`` int64 or vectors ``(count, K)`` float32; None where samples have no labels.

        Args:
            count: number of samples.
            columns: of the grid that they are arranged in; None: those of :meth:`columns`.
        """

    def columns(self, count: int) -> int | None:
        """Return the columns of a grid of them; None: any."""
        return None

    def shared(self, count: int, columns: int | None = None) -> int:
        """Return how many samples in a row of the order share a latent, so that they differ in the label alone."""
        return 1

    def whole_grid(self, least: int) -> int:
        """Return the least number of samples, of so many or more, whose grid has no row that is cut off."""
        return least

    def order(self, count: int, columns: int | None = None) -> SampleOrder:
        """Return the order of so many samples whose latents are drawn for them; ``columns`` as for :meth:`values`."""
        latents = np.arange(count) // self.shared(count, columns)
        return SampleOrder(latents, self.values(count, columns), columns or self.columns(count))

    def crossed(self, latents: int) -> SampleOrder:
        """Return the order of the samples of so many latents, each with every label; ``ConfigError`` if it has none."""
        return SampleOrder(np.arange(latents), self.values(latents))


@dataclass(frozen=True)
class NoLabels(LabelChoice):
    """Samples of an unconditional model."""

    lines: Sequence[str] = ()

    def values(self, count: int, columns: int | None = None) -> None:
        return None


@dataclass(frozen=True)
class OneLabel(LabelChoice):
    """One label for all samples.

    Attributes:
        value: the class, or the vector ``(K,)``.
    """

    value: int | FloatArray
    lines: Sequence[str] = ()

    def values(self, count: int, columns: int | None = None) -> ConditionValues:
        if isinstance(self.value, int):
            return np.full(count, self.value, np.int64)
        return np.tile(self.value, (count, 1))


@dataclass(frozen=True)
class EachLabel(LabelChoice):
    """All labels in turn, one in each row of a grid.

    Attributes:
        each: the classes ``(R,)``, or vectors ``(R, K)``.
    """

    each: ConditionValues
    lines: Sequence[str] = ()

    def values(self, count: int, columns: int | None = None) -> ConditionValues:
        rows = np.arange(count) // (columns or self.columns(count))
        return self.each[rows % len(self.each)]

    def columns(self, count: int) -> int:
        return math.ceil(count / len(self.each))

    def whole_grid(self, least: int) -> int:
        return least if least < len(self.each) else self.columns(least) * len(self.each)

    def crossed(self, latents: int) -> SampleOrder:
        labels = len(self.each)
        if labels * latents > MAX_CROSSED:
            raise ConfigError(
                f"--label: {latents:,} latents with each of {labels:,} labels are more than {MAX_CROSSED:,} samples;"
                " --label LABEL draws one of them"
            )
        return SampleOrder(np.tile(np.arange(latents), labels), self.each.repeat(latents, axis=0), latents)


@dataclass(frozen=True)
class NumberRange:
    """Numbers that a grid goes over.

    Attributes:
        component: of the vector.
        first: number of the first column, or row.
        last: number of the last one.
    """

    component: int
    first: float
    last: float


@dataclass(frozen=True)
class NumberGrid(LabelChoice):
    """A grid over one number, from left to right with a latent in each row, or over two, of one latent.

    Attributes:
        start: the vector ``(K,)``, with the numbers that are the same everywhere.
        across: over the columns.
        down: over the rows; None: over no number.
    """

    start: FloatArray
    across: NumberRange
    down: NumberRange | None = None
    lines: Sequence[str] = ()

    def values(self, count: int, columns: int | None = None) -> FloatArray:
        columns = columns or self.columns(count)
        rows, vectors = math.ceil(count / columns), np.tile(self.start, (count, 1))
        place = np.arange(count)
        vectors[:, self.across.component] = np.linspace(self.across.first, self.across.last, columns)[place % columns]
        if self.down is not None:
            vectors[:, self.down.component] = np.linspace(self.down.first, self.down.last, rows)[place // columns]
        return vectors

    def columns(self, count: int) -> int:
        return math.ceil(math.sqrt(count))

    def shared(self, count: int, columns: int | None = None) -> int:
        return (columns or self.columns(count)) if self.down is None else count

    def crossed(self, latents: int) -> SampleOrder:
        if self.down is None:
            count, columns = latents * NUMBERS_ACROSS, NUMBERS_ACROSS
        elif latents == 1:
            count, columns = SQUARE_SIDE**2, SQUARE_SIDE
        else:
            raise ConfigError(f"--label: ranges of two numbers make a grid of one latent, and there are {latents:,}")
        return SampleOrder(np.arange(count) // self.shared(count, columns), self.values(count, columns), columns)


def choose_labels(
    word: str | None, condition: Condition, class_names: Sequence[str], *, always_named: bool = False
) -> LabelChoice:
    """Return the labels that a word of the command line names; without one all classes, or a grid over the numbers.

    Args:
        word: what the user wrote, or None.
        condition: what the model is conditional on.
        class_names: names of its classes, where they are known.
        always_named: whether it is said of a class without a name which one it is.

    Raises:
        ConfigError: the model is unconditional, or there is no such label.
    """
    if isinstance(condition, VectorCondition):
        chooser = _choose_several if condition.kind is ConditionKind.several else _choose_numbers
        return chooser(word, condition)
    if condition == 0:
        if word is not None:
            raise ConfigError("--label: this run was trained without classes; conditional=true trains with them")
        return NoLabels()
    if word is None:
        lines = [f"rows: {describe_classes(condition, class_names)}"] if class_names else []
        return EachLabel(np.arange(condition), lines)
    chosen = find_class(word, condition, class_names)
    return OneLabel(chosen.index, [chosen.describe(word)] if chosen.name is not None or always_named else [])


def _choose_several(word: str | None, condition: VectorCondition) -> LabelChoice:
    """Return the labels that hold, by their names, between commas."""
    if word is None:
        return EachLabel(np.eye(condition.size, dtype=np.float32), [f"rows: {_listed(condition)}"])
    names = [word] if word in condition.names else [name.strip() for name in word.split(",") if name.strip()]
    vector = np.zeros(condition.size, np.float32)
    for name in names:
        if name not in condition.names:
            raise ConfigError(_unknown(name, condition))
        vector[condition.names.index(name)] = 1
    held = [printable(name) for name, value in zip(condition.names, vector, strict=True) if value]
    return OneLabel(vector, [f"label: {', '.join(held) or 'none'} of {condition.size} labels"])


def _choose_numbers(word: str | None, condition: VectorCondition) -> LabelChoice:
    """Return numbers, or ranges of one or two of them, by their names or in their order, between commas."""
    middle = np.array([(low + high) / 2 for low, high in condition.ranges], np.float32)
    if word is None:
        ranges = {index: condition.ranges[index] for index in range(min(2, condition.size))}
        return _grid(condition, middle, ranges, [])
    numbers = _parse_numbers(word, condition)
    missing = [name for index, name in enumerate(condition.names) if index not in numbers]
    if missing:
        raise ConfigError(
            f"--label: expected a number for each of {_listed(condition)}; {truncated_repr(missing[0])} is missing"
        )
    lines = [line for index, ends in numbers.items() for line in _outside(condition, index, ends)]
    start = np.array([numbers[index][0] for index in range(condition.size)], np.float32)
    ranges = {index: ends for index, ends in numbers.items() if ends[0] != ends[1]}
    if not ranges:
        return OneLabel(start, lines)
    if len(ranges) > 2:
        raise ConfigError(f"--label: expected ranges of one or two numbers, which a grid has, got {len(ranges)}")
    return _grid(condition, start, ranges, lines)


def _grid(
    condition: VectorCondition, start: FloatArray, ranges: dict[int, tuple[float, float]], lines: Sequence[str]
) -> NumberGrid:
    across, *down = (NumberRange(index, *ends) for index, ends in ranges.items())
    ways = zip((across, *down), ("left to right", "top to bottom"), strict=False)
    shown = [f"{printable(condition.names[each.component])} from {each.first:.6g} to {each.last:.6g}, {way}"
             for each, way in ways]  # fmt: skip
    return NumberGrid(start, across, down[0] if down else None, [f"label: {'; '.join(shown)}", *lines])


def _parse_numbers(word: str, condition: VectorCondition) -> dict[int, tuple[float, float]]:
    """Return the first and the last number of each component that a word names, by its position."""
    numbers: dict[int, tuple[float, float]] = {}
    for place, part in enumerate(word.split(",")):
        name, separator, text = (each.strip() for each in part.rpartition("="))
        if separator and name not in condition.names:
            raise ConfigError(_unknown(name, condition))
        index = condition.names.index(name) if separator else place
        if index >= condition.size or index in numbers:
            raise ConfigError(f"--label: expected one number for each of {_listed(condition)}, got {printable(word)}")
        first, colon, last = text.partition(":")
        numbers[index] = (_number(first), _number(last) if colon else _number(first))
    return numbers


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= MAX_NUMBER:
        raise ConfigError(
            "--label: expected numbers, such as 0.3 or angle=0.3, or ranges, such as angle=0:6, got"
            f" {truncated_repr(text[:MAX_VALUE_LENGTH])}"
        )
    return value


def _outside(condition: VectorCondition, index: int, ends: tuple[float, float]) -> list[str]:
    """Return a line where numbers are outside of the range of the data."""
    low, high = condition.ranges[index]
    beyond = next((end for end in ends if not low <= end <= high), None)
    if beyond is None:
        return []
    name = printable(condition.names[index])
    return [f"label {name}={beyond:.6g}: outside of the data that were learned, {low:.6g} to {high:.6g}"]


def _listed(condition: VectorCondition) -> str:
    shown = ", ".join(map(truncated_repr, condition.names[:MAX_NAMES]))
    return shown + (", ..." if condition.size > MAX_NAMES else "")


def _unknown(name: str, condition: VectorCondition) -> str:
    noun = "labels" if condition.kind is ConditionKind.several else "numbers"
    hint = did_you_mean(name, condition.names)
    return f"--label: expected {noun} of {_listed(condition)}, got {truncated_repr(name)}{'.' if hint else ''}{hint}"
