"""Tables of numbers in files: comma- or tab-separated text, parquet, and NumPy's arrays of two axes."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import math
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gan_cli.config.extras import require_extra
from gan_cli.data.array_files import ArrayFileError, NpyHeader, read_header, read_npy
from gan_cli.data.memory import data_memory
from gan_cli.errors import DataError, did_you_mean, printable, truncated_repr
from gan_cli.protocols.arrays import DoubleArray
from gan_cli.protocols.tables import TableColumns
from gan_cli.storage.reading import open_regular, read_bytes

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".parquet", ".npy")
MAX_COLUMNS = 256
# Of text: its bytes, its numbers, and both at once while it is read.
MEMORY_PER_BYTE = 6
# What NumPy says of a field that is no number.
NO_NUMBER = re.compile(r"could not convert string (?P<text>.*) to float64 at row (?P<row>\d+), column (?P<column>\d+)")
MAX_NAMES = 10
# Names stand in the run's configuration.
MAX_NAME_LENGTH = 200
# Bytes of the first line of a text, at most.
MAX_HEADER = 2**20
# Larger numbers, and their differences, are not finite as float32.
MAX_MAGNITUDE = 1e37
# Of a column that is not constant, beside which a float64 has no fewer digits.
MIN_SCALE = 1e-300


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
    with reading(path):
        if suffix in DELIMITERS:
            table = _read_text(path, DELIMITERS[suffix], columns)
        elif suffix == ".parquet":
            table = _read_parquet(path, columns)
        elif suffix == ".npy":
            table = _read_array(path, columns)
        else:
            raise _no_table(path)
    _check(path, table)
    return table


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors of the block, which reads a file, into a ``DataError`` of one line."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _no_table(path: Path) -> DataError:
    return DataError(f"{path}: expected a table: a file that ends with {', '.join(SUFFIXES)}")


def read_names(path: Path) -> list[str]:
    """Read the names of all columns from the beginning of a table, and no more.

    Raises:
        DataError: it cannot be read, or has two columns of one name.
    """
    suffix = path.suffix.lower()
    with reading(path):
        if suffix in DELIMITERS:
            with open_regular(path) as file:
                names = parse_header(_decode(path, file.read(MAX_HEADER), final=False), DELIMITERS[suffix]).names
        elif suffix == ".parquet":
            with open_parquet(path) as parquet_file:
                names = list(parquet_file.schema_arrow.names)
        elif suffix == ".npy":
            with open_regular(path) as file:
                shape = _array_header(path, file).shape
            names = _numbered(shape[1] if len(shape) == 2 else 1)
        else:
            raise _no_table(path)
    choose_columns(path, names, None)
    return names


def choose_columns(path: Path, names: Sequence[str], columns: Sequence[str] | None) -> list[int]:
    """Return the positions of columns by their names; raises ``DataError`` where one is not there."""
    for index, name in enumerate(names):
        if name in names[:index]:
            raise DataError(f"{path}: two columns of the name {truncated_repr(name)}")
        if len(name) > MAX_NAME_LENGTH:
            raise DataError(f"{path}: a name of a column of {len(name):,} letters; expected at most {MAX_NAME_LENGTH}")
    if columns is None:
        return list(range(len(names)))
    for name in columns:
        if name not in names:
            listed = ", ".join(map(printable, names[:MAX_NAMES])) + (", ..." if len(names) > MAX_NAMES else "")
            hint = did_you_mean(name, names)
            raise DataError(f"{path}: there is no column {truncated_repr(name)}.{hint} There are: {listed}")
    return [names.index(name) for name in columns]


@dataclass(frozen=True)
class Header:
    """First line of a text.

    Attributes:
        names: of the columns; numbered where the line holds numbers.
        is_row: whether it is a row itself.
    """

    names: list[str]
    is_row: bool


def parse_header(text: str, delimiter: str) -> Header:
    """Parse the first line of a text: no names where the text is empty."""
    first = [field.strip() for field in next(text_rows(text, delimiter), [])]
    if first and all(map(_is_number, first)):
        return Header(_numbered(len(first)), is_row=True)
    # The first column of what pandas writes, its index, has no name.
    return Header([name or f"column {number}" for number, name in enumerate(first, 1)], is_row=False)


def text_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """Yield the fields of the rows of a text; lines with nothing in them are none."""
    try:
        yield from filter(None, csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:
        raise DataError(f"no rows that can be read ({error})") from error


def read_table_text(path: Path) -> str:
    """Read the whole text of a table; raises ``DataError`` where it is no UTF-8, ``OSError`` where it is too long."""
    return _decode(path, read_bytes(path, data_memory() // MEMORY_PER_BYTE))


def _decode(path: Path, content: bytes, final: bool = True) -> str:
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(content, final)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no text in UTF-8 (byte {error.start:,})") from error


def _read_text(path: Path, delimiter: str, columns: Sequence[str] | None) -> Table:
    text = read_table_text(path)
    header = parse_header(text, delimiter)
    if not header.names:
        return Table((), np.empty((0, 0)))
    names, has_names = header.names, not header.is_row
    chosen = choose_columns(path, names, columns)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # no rows at all: an error of ours
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


@contextlib.contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """Open a parquet file as one of pyarrow's; errors of the block become ``DataError``."""
    require_extra("dataset: a table in a parquet file", "arrays", ["pyarrow"])
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    open_regular(path).close()
    try:
        with parquet.ParquetFile(path, memory_map=True) as file:
            yield file
    except (pyarrow.ArrowException, UnicodeDecodeError, OverflowError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: no parquet file that can be read ({printable(reason)})") from error


def read_parquet_columns(path: Path, file: Any, names: Sequence[str]) -> list[Any]:
    """Read columns of an open parquet file as pyarrow's arrays; raises ``DataError`` where they fit in no memory."""
    if 8 * file.metadata.num_rows * len(names) > data_memory():
        raise DataError(f"{path}: {file.metadata.num_rows:,} rows, more than fit in memory")
    content = file.read(columns=list(names))
    return [content.column(name) for name in names]


def _read_parquet(path: Path, columns: Sequence[str] | None) -> Table:
    with open_parquet(path) as file:
        names = file.schema_arrow.names
        chosen = [names[index] for index in choose_columns(path, names, columns)]
        for name in chosen:
            _require_flat_numbers(path, name, file.schema_arrow.field(name).type)
        read = read_parquet_columns(path, file, chosen)
        values = [_numbers(path, name, column) for name, column in zip(chosen, read, strict=True)]
    return Table(tuple(chosen), np.stack(values, axis=1) if values else np.empty((0, 0)))


def _require_flat_numbers(path: Path, name: str, kind: Any) -> None:
    """Raise ``DataError`` for a column whose type is none of numbers, before anything of it is read."""
    from pyarrow import types

    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)):
        what = truncated_repr(str(kind)).strip("'")
        raise DataError(
            f"{path}: {printable(name)} holds {what}, not numbers; dataset.columns=[NAME, ...] chooses others"
        )


def _numbers(path: Path, name: str, column: Any) -> DoubleArray:
    """Return a column of pyarrow's as numbers."""
    import pyarrow

    if column.null_count:
        raise DataError(f"{path}: {column.null_count:,} values of {printable(name)} are missing")
    values: DoubleArray = column.cast(pyarrow.float64(), safe=False).to_numpy()
    return values


def _array_header(path: Path, file: BinaryIO) -> NpyHeader:
    """Read the header of an array of numbers of one or two axes; raises ``DataError`` for any other."""
    try:
        header = read_header(file)
    except ArrayFileError as error:
        raise DataError(f"{path}: {error}") from error
    if len(header.shape) not in (1, 2) or header.dtype.kind not in "biuf":
        raise DataError(f"{path}: an array of {header.dtype} of shape {header.shape}; expected numbers (N, D)")
    return header


def _read_array(path: Path, columns: Sequence[str] | None) -> Table:
    with open_regular(path) as file:
        _array_header(path, file)
        file.seek(0)
        try:
            array = read_npy(file, os.fstat(file.fileno()).st_size)
        except ArrayFileError as error:
            raise DataError(f"{path}: {error}") from error
    array = array[:, None] if array.ndim == 1 else array
    names = _numbered(array.shape[1])
    chosen = choose_columns(path, names, columns)
    with np.errstate(over="ignore", invalid="ignore"):  # checked with all other values
        values = array[:, chosen].astype(np.float64)
    return Table(tuple(names[index] for index in chosen), values)


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
    row, column = np.unravel_index(np.abs(table.values).argmax(), table.values.shape)
    if abs(table.values[row, column]) > MAX_MAGNITUDE:
        value, name = table.values[row, column], printable(table.names[column])
        raise DataError(f"{path}: {value:g} in row {row + 1} of {name}; expected at most {MAX_MAGNITUDE:g}")


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


def _numbered(count: int) -> list[str]:
    return [f"column {number}" for number in range(1, count + 1)]


def measure_columns(names: Sequence[str], values: DoubleArray) -> TableColumns:
    """Measure mean and deviation of columns ``(N, D)``, to some five digits; the scale of a constant one is 1."""
    magnitudes = np.abs(values).max(axis=0)
    magnitudes[magnitudes == 0] = 1.0
    relative = values / magnitudes
    means, deviations = relative.mean(axis=0) * magnitudes, relative.std(axis=0) * magnitudes
    constant = (values == values[0]).all(axis=0)
    scales = [
        1.0 if same else max(float(f"{scale:.6g}"), MIN_SCALE) for same, scale in zip(constant, deviations, strict=True)
    ]
    # Beside its scale, more digits of a center say nothing.
    centers = [
        float(first) if same else _rounded(float(mean), scale)
        for first, same, mean, scale in zip(values[0], constant, means, scales, strict=True)
    ]
    return TableColumns(tuple(names), tuple(centers), tuple(scales))


def _rounded(number: float, scale: float) -> float:
    """Return a number without digits below a 100,000th of the scale."""
    return round(number, 5 - math.floor(math.log10(scale)))
