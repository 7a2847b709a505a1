"""Labels of files in a table of text or in JSON: one class each, several, or real numbers; by relative names.

CSV has a line for each file, its name and then one label or several columns; JSON is ``{"labels": [[file, label]]}``,
as the tools of StyleGAN write it, or ``{file: label}``. Names are looked up, and never opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeAlias

import numpy as np

from gan_cli.data.label_files import LabelRows, read_rows
from gan_cli.data.memory import data_memory, require_memory
from gan_cli.errors import DataError, did_you_mean, printable, truncated_repr
from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.conditions import ConditionKind, VectorCondition
from gan_cli.protocols.data import LabelVectors

# Components of a vector: labels of which several may hold, or numbers. More are no labels.
MAX_COMPONENTS = 4096
# Of a byte of text: what its parsed fields take, beside its own characters.
MEMORY_PER_BYTE = 40
# Characters between several labels in one field.
SEPARATORS = "|;"
# Fields that say whether a label holds, in small letters.
TRUTHS = {"0": 0.0, "1": 1.0, "-1": 0.0, "0.0": 0.0, "1.0": 1.0, "-1.0": 0.0, "true": 1.0, "false": 0.0}
# Names that a message lists.
MAX_NAMES = 5


class LabelKind(Enum):
    """Kind of the labels of a file; ``auto``: told from what is in it."""

    auto = "auto"
    classes = "classes"
    several = "several"
    numbers = "numbers"


@dataclass(frozen=True)
class FileClasses:
    """One class for each file.

    Attributes:
        values: ``(N,)``, int64.
        names: of the classes, in the order of their numbers.
    """

    values: IntArray
    names: tuple[str, ...]


FileLabels: TypeAlias = FileClasses | LabelVectors


@dataclass(frozen=True)
class LabelTable:
    """Labels by the names of files.

    Attributes:
        path: of the file that they stand in, for messages.
        rows: place of each file in ``values``, by its name.
        labels: of all files.
        description: what they were taken for, in a line.
    """

    path: Path
    rows: Mapping[str, int]
    labels: FileLabels
    description: str

    def find(self, names: Sequence[str]) -> list[int | None]:
        """Return the row of each file, None for files without a label.

        A file is named by its path relative to its folder, or by its last part alone where no other file has that.

        Args:
            names: of all files that there are, relative, with ``/`` between their parts.

        Raises:
            DataError: the table has a file that is not there, or whose name several have.
        """
        places = {name: place for place, name in enumerate(names)}
        last_parts = Counter(name.rpartition("/")[2] for name in names)
        by_last_part = {name.rpartition("/")[2]: place for place, name in enumerate(names)}
        found: list[int | None] = [None] * len(names)
        unknown: list[str] = []
        for name, row in self.rows.items():
            place = places.get(name)
            if place is None and last_parts[name] == 1:
                place = by_last_part[name]
            if place is None:
                unknown.append(name)
            elif found[place] is not None:
                raise DataError(f"{self.path}: two labels for {printable(names[place])}")
            else:
                found[place] = row
        if unknown:
            raise self._unknown(unknown, names, last_parts)
        return found

    def select(self, rows: Sequence[int]) -> FileLabels:
        """Return the labels of rows; classes that none of them has stay, ranges of numbers are those of these rows."""
        if isinstance(self.labels, FileClasses):
            return FileClasses(self.labels.values[list(rows)], self.labels.names)
        values, condition = self.labels.values[list(rows)], self.labels.condition
        return LabelVectors(values, with_ranges(condition.kind, condition.names, values))

    def _unknown(self, unknown: Sequence[str], names: Sequence[str], last_parts: Counter[str]) -> DataError:
        first = unknown[0]
        several = f"; {last_parts[first]} files have that name in different folders" if last_parts[first] > 1 else ""
        more = f", and {len(unknown) - 1:,} more of its files are not there" if len(unknown) > 1 else ""
        hint = "" if several else did_you_mean(first, names[:10_000])
        return DataError(
            f"{self.path}: there is no file {truncated_repr(first)}{several}{more}{'.' if hint else ''}{hint}"
        )


def with_ranges(kind: ConditionKind, names: tuple[str, ...], values: FloatArray) -> VectorCondition:
    """Return the condition of vectors ``(N, K)``: of several labels between 0 and 1, of numbers as they occur."""
    if kind is ConditionKind.several:
        return VectorCondition(kind, names, ((0.0, 1.0),) * len(names))
    ends = zip(values.min(0).tolist(), values.max(0).tolist(), strict=True)
    return VectorCondition(kind, names, tuple((float(low), float(high)) for low, high in ends))


def read_labels(path: Path, kind: LabelKind) -> LabelTable:
    """Read the labels of files.

    Args:
        path: a file that ends with ``.csv``, ``.tsv`` or ``.json``.
        kind: of the labels.

    Raises:
        DataError: it cannot be read, is empty or damaged, has two labels for a file, a number that is not finite, or
            labels of another kind.
    """
    rows = read_rows(path, data_memory() // MEMORY_PER_BYTE)
    chosen = _kind_of(rows) if kind is LabelKind.auto else kind
    try:
        labels, words = _READERS[chosen](rows)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    place = {name: row for row, name in enumerate(rows.files)}
    return LabelTable(path, place, labels, f"{len(place):,} files, {words}; dataset.label_kind chooses another kind")


def _kind_of(rows: LabelRows) -> LabelKind:
    """Return the kind of labels by their fields.

    One integer or word a file is a class, words with a separator between them are several; numbers with a decimal point
    are numbers, and so are several columns of numbers, unless all are 0 and 1.
    """
    if rows.is_one_column:
        fields = {fields[0] for fields in rows.fields}
        if all(map(_is_integer, fields)):
            return LabelKind.classes
        if all(map(_is_number, fields)):
            return LabelKind.numbers
        return LabelKind.several if any(set(SEPARATORS) & set(field) for field in fields) else LabelKind.classes
    fields = {field for fields in rows.fields for field in fields}
    if rows.is_table and all(map(_is_number, fields)) and not all(field.lower() in TRUTHS for field in fields):
        return LabelKind.numbers
    return LabelKind.several


def _classes(rows: LabelRows) -> tuple[FileClasses, str]:
    if not rows.is_one_column:
        raise ValueError("several labels for a file; dataset.label_kind=several or numbers takes them")
    words = [fields[0] for fields in rows.fields]
    empty = next((name for name, word in zip(rows.files, words, strict=True) if not word), None)
    if empty is not None:
        raise ValueError(f"no label for {printable(empty)}")
    names = sort_names(set(words))
    number = {name: index for index, name in enumerate(names)}
    values = np.fromiter((number[word] for word in words), np.int64, len(words))
    return FileClasses(values, names), f"one of {len(names):,} classes each: {_examples(names)}"


def _several(rows: LabelRows) -> tuple[LabelVectors, str]:
    flags = not rows.is_one_column and rows.is_table
    if flags and all(field.lower() in TRUTHS for fields in rows.fields for field in fields):
        names = rows.column_names
        _check_components(names)
        values = np.array([[TRUTHS[field.lower()] for field in fields] for fields in rows.fields], np.float32)
    else:
        words = [_split(fields) for fields in rows.fields]
        names = sort_names({word for each in words for word in each})
        _check_components(names)
        _require_room(len(words) * len(names))
        number, values = (
            {name: index for index, name in enumerate(names)},
            np.zeros((len(words), len(names)), np.float32),
        )
        for row, each in enumerate(words):
            values[row, [number[word] for word in each]] = 1
    condition = with_ranges(ConditionKind.several, names, values)
    return LabelVectors(values, condition), f"{len(names):,} labels of which several may hold: {_examples(names)}"


def _numbers(rows: LabelRows) -> tuple[LabelVectors, str]:
    if not rows.is_table:
        raise ValueError("not as many numbers for each file")
    names = rows.column_names
    _check_components(names)
    values = np.empty((len(rows.fields), len(names)), np.float64)
    for row, fields in enumerate(rows.fields):
        for column, field in enumerate(fields):
            values[row, column] = float(field) if _is_number(field) else np.nan
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    wrong = np.argwhere(~np.isfinite(single))
    if len(wrong):
        row, column = wrong[0]
        field = rows.fields[row][column]
        what = f"is {truncated_repr(field)}, no finite number" if field else "is missing"
        raise ValueError(f"{printable(names[column])} of {printable(rows.files[row])} {what}")
    noun = "a number" if len(names) == 1 else f"{len(names)} numbers"
    return LabelVectors(single, with_ranges(ConditionKind.numbers, names, single)), f"{noun} each: {_examples(names)}"


_READERS: Mapping[LabelKind, Callable[[LabelRows], tuple[FileLabels, str]]] = {
    LabelKind.classes: _classes,
    LabelKind.several: _several,
    LabelKind.numbers: _numbers,
}


def sort_names(names: set[str]) -> tuple[str, ...]:
    """Return the names of labels in their order; those that are all integers in the order of these."""
    if all(map(_is_integer, names)):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _check_components(names: Sequence[str]) -> None:
    if not 1 <= len(names) <= MAX_COMPONENTS:
        raise ValueError(f"{len(names):,} labels; expected 1 to {MAX_COMPONENTS:,}")
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"two columns of the name {truncated_repr(twice)}")


def _require_room(count: int) -> None:
    require_memory(4 * count, f"{count:,} numbers of labels", "fewer labels, or fewer files, take less")


def _split(fields: Sequence[str]) -> list[str]:
    """Return the words of all fields, without empty ones."""
    for separator in SEPARATORS[1:]:
        fields = [field.replace(separator, SEPARATORS[0]) for field in fields]
    return [word.strip() for field in fields for word in field.split(SEPARATORS[0]) if word.strip()]


def _is_integer(field: str) -> bool:
    digits = field.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field


def _examples(names: Sequence[str]) -> str:
    return ", ".join(map(truncated_repr, names[:MAX_NAMES])) + (", ..." if len(names) > MAX_NAMES else "")
