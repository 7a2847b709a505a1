"""The column of a table that holds the class of each row: whole numbers or text."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from gan_cli.data.tables import (
    DELIMITERS,
    choose_columns,
    open_parquet,
    parse_header,
    read_names,
    read_parquet_columns,
    read_table,
    read_table_text,
    reading,
    text_rows,
)
from gan_cli.errors import DataError, printable
from gan_cli.protocols.arrays import IntArray

# Of a table; more are no classes but numbers, or names of single rows.
MAX_CLASSES = 1000
MAX_WHOLE = 2**53


@dataclass(frozen=True)
class RowClasses:
    """The class of each row of a table.

    Attributes:
        labels: ``(N,)``, int64, in [0, K).
        names: ``(K,)``, in the order of numbers where they are numbers, else of letters.
    """

    labels: IntArray
    names: tuple[str, ...]


def read_classes(path: Path, column: str) -> RowClasses:
    """Read the classes of all rows of a table from a column of whole numbers or text.

    Raises:
        DataError: it cannot be read, there is no such column, a value is missing, or there are other numbers in it or
            more than 1,000 different values.
    """
    values = _read_texts(path, column)
    missing = next((row for row, value in enumerate(values, 1) if not value), None)
    name = printable(column)
    if missing is not None:
        raise DataError(f"{path}: the class of row {missing} is missing in {name}")
    if all(map(_is_number, set(values))):
        values = [_whole(path, name, value) for value in values]
        names = sorted(set(values), key=int)
    else:
        names = sorted(set(values))
    if len(names) > MAX_CLASSES:
        raise DataError(
            f"{path}: {name} holds {len(names):,} different values; expected at most {MAX_CLASSES:,} classes:"
            " dataset.condition=[NAME] takes numbers"
        )
    index = {value: label for label, value in enumerate(names)}
    return RowClasses(np.array([index[value] for value in values], np.int64), tuple(names))


def _read_texts(path: Path, column: str) -> list[str]:
    """Read a column as text, one value a row; missing ones are empty."""
    suffix = path.suffix.lower()
    (position,) = choose_columns(path, read_names(path), [column])
    with reading(path):
        if suffix in DELIMITERS:
            return _column_of_text(path, read_table_text(path), DELIMITERS[suffix], position)
        if suffix == ".parquet":
            with open_parquet(path) as file:
                return _texts(path, column, read_parquet_columns(path, file, [column])[0])
    return [f"{value:g}" for value in read_table(path, [column]).values[:, 0]]


def _column_of_text(path: Path, text: str, delimiter: str, position: int) -> list[str]:
    header, values = parse_header(text, delimiter), []
    for number, row in enumerate(islice(text_rows(text, delimiter), 0 if header.is_row else 1, None), 1):
        if len(row) != len(header.names):
            raise DataError(f"{path}: its rows are not of one length: row {number} has {len(row)} fields")
        values.append(row[position].strip())
    return values


def _texts(path: Path, column: str, values: Any) -> list[str]:
    """Return the values of a column of pyarrow's as text; raises ``DataError`` for values of parts."""
    from pyarrow import types  # type: ignore[import-untyped]

    kind = values.type.value_type if types.is_dictionary(values.type) else values.type
    if types.is_nested(kind) or types.is_binary(kind):
        raise DataError(f"{path}: {printable(column)} holds {kind}; expected whole numbers or text")
    return ["" if value is None else str(value).strip() for value in values.to_pylist()]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _whole(path: Path, name: str, text: str) -> str:
    number = float(text)
    if not (abs(number) <= MAX_WHOLE and number.is_integer()):
        raise DataError(
            f"{path}: {name} holds {printable(text)}; expected whole numbers or text for classes:"
            " dataset.condition=[NAME] takes numbers"
        )
    return str(int(number))
