"""A user's own table: rows of numbers, standardized column by column."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias

import numpy as np

from gan_cli.components.ranges import Range, check_ranges
from gan_cli.config.fields import Auto
from gan_cli.data.table_classes import read_classes
from gan_cli.data.tables import MAX_COLUMNS, measure_columns, read_names, read_table
from gan_cli.datasets.base import expand_path
from gan_cli.errors import DataError, printable, require
from gan_cli.protocols.arrays import DoubleArray, FloatArray
from gan_cli.protocols.conditions import ConditionKind, VectorCondition
from gan_cli.protocols.data import AutomaticSetting, LabelVectors, Rows
from gan_cli.protocols.tables import TableColumns

logger = logging.getLogger(__name__)

# What networks see where nothing is mapped to anything else.
UNIT_LEVELS = (-1.0, 1.0)
MAX_LISTED = 5
# Of a column, within the numbers that a table may hold.
Center: TypeAlias = Annotated[float, Range(-1e37, 1e37)]
Scale: TypeAlias = Annotated[float, Range(0, 1e38, above=True)]


@dataclass(frozen=True)
class Table:
    """Rows of numbers in a file: comma- or tab-separated text, parquet, or an array of NumPy's.

    Each column is standardized to mean 0 and deviation 1. Centers and scales are part of a run's configuration, so
    that its samples are in the table's own units wherever they are drawn, with or without the file.

    Args:
        path: a file that ends with .csv, .tsv, .parquet or .npy. The columns of text without names, and of arrays, are
            ``column 1`` and so on.
        columns: names of the columns to learn; ``auto``: all others than those below.
        condition: names of columns of numbers that a model is conditional on with ``conditional=true``.
        class_column: name of a column of whole numbers or text: the class of each row.
        centers: of the columns to learn, numbers that become 0; ``auto``: their means.
        scales: differences that become 1; ``auto``: their deviations.
    """

    licence: ClassVar[str] = "Your own table: whatever terms you hold it under."

    path: str | None
    columns: Auto | tuple[str, ...] = Auto.auto
    condition: tuple[str, ...] = ()
    class_column: str | None = None
    centers: Auto | tuple[Center, ...] = Auto.auto
    scales: Auto | tuple[Scale, ...] = Auto.auto

    def __post_init__(self) -> None:
        require(bool(self.path), "path", self.path, "a table in a file (dataset.path=FILE)")
        expand_path("path", self.path or "")
        check_ranges(self)
        columns = None if isinstance(self.columns, Auto) else self.columns
        if columns is not None:
            allowed = f"1 to {MAX_COLUMNS} different columns, none of them in condition or class_column"
            apart = len({*columns, *self._others}) == len(columns) + len(self._others)
            require(1 <= len(columns) <= MAX_COLUMNS and apart, "columns", list(columns), allowed)
        require(not (self.condition and self.class_column), "condition", list(self.condition), "[] with a class_column")
        for key, numbers in (("centers", self.centers), ("scales", self.scales)):
            count = None if columns is None else len(columns)
            if not isinstance(numbers, Auto):
                require(len(numbers) == count, key, list(numbers), "auto, or one number for each of dataset.columns")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(D,)`` of a row: by the configuration, else by the first line of the file.

        Raises:
            DataError: the file cannot be read, or has no columns to learn, or more than 256.
        """
        return (len(self._names),)

    @property
    def classes(self) -> int | None:
        """The number of classes is 0 without a column that a model can be conditional on, else known once loaded."""
        return None if self._others else 0

    def table_columns(self) -> TableColumns:
        """Return the columns that are learned; reads the file where centers or scales are not settled.

        Raises:
            DataError: it cannot be read.
        """
        if isinstance(self.columns, Auto) or isinstance(self.centers, Auto) or isinstance(self.scales, Auto):
            return self._measured.columns
        return TableColumns(self.columns, self.centers, self.scales)

    def automatic_settings(self) -> Mapping[str, AutomaticSetting]:
        """Return columns, centers and scales where they are ``auto``; see ``SelfSettling``."""
        found = self.table_columns()
        settings = {"columns": found.names, "centers": found.centers, "scales": found.scales}
        return {
            key: AutomaticSetting(list(values))
            for key, values in settings.items()
            if isinstance(getattr(self, key), Auto)
        }

    def count_rows(self) -> int:
        """Return the number of rows; raises ``DataError`` where the file cannot be read."""
        return self._measured.rows

    @cached_property
    def _measured(self) -> _Measured:
        names, values = self._names, self._read()
        measured = measure_columns(names, values[:, : len(names)])
        centers = measured.centers if isinstance(self.centers, Auto) else self.centers
        scales = measured.scales if isinstance(self.scales, Auto) else self.scales
        return _Measured(TableColumns(names, centers, scales), len(values))

    def load(self) -> Rows:
        """Load rows ``(N, D)``, standardized, with their classes or conditions.

        Raises:
            DataError: the file cannot be read, a value is missing or no finite number, or there is one row alone.
        """
        path, columns, values = self._file, self.table_columns(), self._read()
        count = len(columns.names)
        rows = Rows(
            columns.standardize(values[:, :count]), levels=UNIT_LEVELS, vectors=self._vectors(values[:, count:])
        )
        learned = values[:, :count]
        constant = [name for name, same in zip(columns.names, (learned == learned[0]).all(axis=0), strict=True) if same]
        logger.info("%s: %s", path, _describe(len(values), count, constant))
        if self.class_column is None:
            return rows
        classes = read_classes(path, self.class_column)
        if len(classes.labels) != len(values):
            raise DataError(f"{path}: {len(values):,} rows of numbers, but {len(classes.labels):,} classes")
        return Rows(rows.array, classes.labels, class_names=classes.names, levels=UNIT_LEVELS)

    def coordinates(self, samples: FloatArray) -> FloatArray:
        """Convert rows ``(N, D)`` to the table's own units."""
        return self.table_columns().restore(samples).astype(np.float32)

    def require_files(self) -> None:
        self.table_columns()
        read_names(self._file)

    @property
    def _file(self) -> Path:
        return expand_path("path", self.path or "").absolute()

    @property
    def _others(self) -> tuple[str, ...]:
        """Names of columns that are not learned themselves."""
        return (*self.condition, *([] if self.class_column is None else [self.class_column]))

    @property
    def _names(self) -> tuple[str, ...]:
        if not isinstance(self.columns, Auto):
            return self.columns
        names = tuple(name for name in read_names(self._file) if name not in self._others)
        if not 1 <= len(names) <= MAX_COLUMNS:
            raise DataError(
                f"{self._file}: {len(names):,} columns to learn; expected 1 to {MAX_COLUMNS}, which dataset.columns"
                " chooses"
            )
        return names

    def _read(self) -> DoubleArray:
        """Read the columns to learn, and those of the condition behind them."""
        return read_table(self._file, [*self._names, *self.condition]).values

    def _vectors(self, values: DoubleArray) -> LabelVectors | None:
        if not self.condition:
            return None
        vectors = values.astype(np.float32)
        ranges = tuple((float(low), float(high)) for low, high in zip(vectors.min(0), vectors.max(0), strict=True))
        return LabelVectors(vectors, VectorCondition(ConditionKind.numbers, self.condition, ranges))


@dataclass(frozen=True)
class _Measured:
    """Columns of a table, by all of its rows, and the number of these."""

    columns: TableColumns
    rows: int


def _describe(rows: int, columns: int, constant: list[str]) -> str:
    """Return in words how much a table has, and what in it is constant."""
    text = f"{rows:,} rows, {columns} column{'s' * (columns != 1)}, standardized"
    if not constant:
        return text
    more = f" and {len(constant) - MAX_LISTED} more" if len(constant) > MAX_LISTED else ""
    names = ", ".join(map(printable, constant[:MAX_LISTED]))
    return f"{text}; constant, with scale 1: {names}{more}"
