"""Tables of numbers in files: comma- or tab-separated text, parquet, and NumPy's arrays of two axes."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gan_cli.config.extras import require_extra
from gan_cli.data.array_files import ArrayFileError, read_npy
from gan_cli.data.memory import data_memory
from gan_cli.errors import DataError, did_you_mean, printable, truncated_repr
from gan_cli.protocols.arrays import DoubleArray
from gan_cli.storage.reading import open_regular, read_bytes

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".parquet", ".npy")
MAX_COLUMNS = 256
# Of text: its bytes, its numbers, and both at once while it is read.
MEMORY_PER_BYTE = 6
# What NumPy says of a field that is no number.
NO_NUMBER = re.compile(r"could not convert string (?P<text>.*) to float64 at row (?P<row>\d+), column (?P<column>\d+)")
MAX_NAMES = 10


@dataclass(frozen=True)
class Table:
    """Rows of numbers under the names of their columns.

    Attributes:
        names: of the columns; ``column 1`` and so on where the file has none.
        values: ``(N, D)``, all finite.
    """

    names: tuple[str, ...]
    values: DoubleArray


def read_table(path: Path, columns: Sequence[str] | None) -> Table:
    """Read columns of a table.

    Args:
        path: a file with one of :data:`SUFFIXES`.
        columns: names of those to read, in this order; None: all.

    Raises:
        DataError: it cannot be read, has no such columns, more than 256, or fewer than two rows, or a value is missing
            or is no finite number.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in DELIMITERS:
            table = _read_text(path, DELIMITERS[suffix], columns)
        elif suffix == ".parquet":
            table = _read_parquet(path, columns)
        elif suffix == ".npy":
            table = _read_array(path, columns)
        else:
            raise DataError(f"{path}: expected a table: a file that ends with {', '.join(SUFFIXES)}")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    _check(path, table)
    return table


def choose_columns(path: Path, names: Sequence[str], columns: Sequence[str] | None) -> list[int]:
    """Return the positions of columns by their names; raises ``DataError`` where one is not there."""
    for index, name in enumerate(names):
        if name in names[:index]:
            raise DataError(f"{path}: two columns of the name {truncated_repr(name)}")
    if columns is None:
        return list(range(len(names)))
    for name in columns:
        if name not in names:
            listed = ", ".join(map(printable, names[:MAX_NAMES])) + (", ..." if len(names) > MAX_NAMES else "")
            hint = did_you_mean(name, names)
            raise DataError(f"{path}: there is no column {truncated_repr(name)}.{hint} There are: {listed}")
    return [names.index(name) for name in columns]


def _read_text(path: Path, delimiter: str, columns: Sequence[str] | None) -> Table:
    content = read_bytes(path, data_memory() // MEMORY_PER_BYTE)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no text in UTF-8 (byte {error.start:,})") from error
    first = next(csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True), [])
    if not first:
        return Table((), np.empty((0, 0)))
    names = [name.strip() for name in first]
    has_names = not all(map(_is_number, names))
    names = names if has_names else _numbered(len(names))
    chosen = choose_columns(path, names, columns)
    try:
        values = np.loadtxt(
            io.StringIO(text),
            np.float64,
            comments=None,
            delimiter=delimiter,
            skiprows=int(has_names),
            usecols=chosen,
            ndmin=2,
            quotechar='"',
        )
    except ValueError as error:
        raise DataError(f"{path}: {_explain(error, names, has_names)}") from error
    return Table(tuple(names[index] for index in chosen), values.reshape(-1, len(chosen)))


def _explain(error: ValueError, names: Sequence[str], has_names: bool) -> str:
    """Return what is wrong with a field of a text, with the row as an editor counts it."""
    found = NO_NUMBER.match(str(error))
    if found is None:
        return f"its rows are not of one length ({str(error).splitlines()[0].rstrip('.;')})"
    name, row = names[int(found["column"]) - 1], int(found["row"]) + 1 + has_names
    what = "is missing" if found["text"] in ("''", '""') else f"is {found['text'][:80]}, no number"
    return f"{printable(name)} of line {row} {what}; dataset.columns=[NAME, ...] chooses other columns"


def _read_parquet(path: Path, columns: Sequence[str] | None) -> Table:
    require_extra("dataset: a table in a parquet file", "arrays", ["pyarrow"])
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    open_regular(path).close()
    try:
        with parquet.ParquetFile(path, memory_map=True) as file:
            names = file.schema_arrow.names
            chosen = [names[index] for index in choose_columns(path, names, columns)]
            if 8 * file.metadata.num_rows * len(chosen) > data_memory():
                raise DataError(f"{path}: {file.metadata.num_rows:,} rows, more than fit in memory")
            content = file.read(columns=chosen)
        values = [_numbers(path, name, content.column(name)) for name in chosen]
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: no parquet file that can be read ({str(error).splitlines()[0]})") from error
    return Table(tuple(chosen), np.stack(values, axis=1))


def _numbers(path: Path, name: str, column: Any) -> DoubleArray:
    """Return a column of pyarrow's as numbers."""
    import pyarrow

    if column.null_count:
        raise DataError(f"{path}: {column.null_count:,} values of {printable(name)} are missing")
    try:
        values: DoubleArray = column.cast(pyarrow.float64()).to_numpy()
    except pyarrow.ArrowException as error:
        raise DataError(
            f"{path}: {printable(name)} holds {column.type}, not numbers; dataset.columns=[NAME, ...] chooses others"
        ) from error
    return values


def _read_array(path: Path, columns: Sequence[str] | None) -> Table:
    with open_regular(path) as file:
        size = path.stat().st_size
        try:
            array = read_npy(file, size)
        except ArrayFileError as error:
            raise DataError(f"{path}: {error}") from error
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise DataError(f"{path}: an array of {array.dtype} of shape {array.shape}; expected numbers (N, D)")
    names = _numbered(array.shape[1])
    chosen = choose_columns(path, names, columns)
    return Table(tuple(names[index] for index in chosen), array[:, chosen].astype(np.float64))


def _check(path: Path, table: Table) -> None:
    rows, columns = table.values.shape
    if not 1 <= columns <= MAX_COLUMNS:
        raise DataError(f"{path}: {columns} columns; expected 1 to {MAX_COLUMNS}, which dataset.columns chooses")
    if rows < 2:
        raise DataError(f"{path}: {rows} row{'s' * (rows != 1)}; expected two or more")
    wrong = np.argwhere(~np.isfinite(table.values))
    if len(wrong):
        row, column = wrong[0]
        value, name = table.values[row, column], printable(table.names[column])
        raise DataError(f"{path}: {len(wrong):,} values are not finite, first {value} in row {row + 1} of {name}")


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


def _numbered(count: int) -> list[str]:
    return [f"column {number}" for number in range(1, count + 1)]
