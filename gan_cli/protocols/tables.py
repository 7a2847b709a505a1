"""Columns of a table: their names, and its own units as a function of the numbers that networks see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from gan_cli.protocols.arrays import DoubleArray, Features, FloatArray


@dataclass(frozen=True)
class TableColumns:
    """Standardized columns: a number x of one is ``scale * x + center`` in the table's own units.

    Attributes:
        names: ``(D,)``.
        centers: ``(D,)``.
        scales: ``(D,)``, positive.
    """

    names: tuple[str, ...]
    centers: tuple[float, ...]
    scales: tuple[float, ...]

    def standardize(self, values: Features) -> FloatArray:
        """Convert rows ``(N, D)`` in the table's own units to those that networks see."""
        differences = values.astype(np.float64) - np.array(self.centers)
        standardized: FloatArray = (differences / np.array(self.scales)).astype(np.float32)
        return standardized

    def restore(self, samples: Features) -> DoubleArray:
        """Convert rows ``(N, D)`` that networks see to the table's own units."""
        restored: DoubleArray = samples.astype(np.float64) * np.array(self.scales) + np.array(self.centers)
        return restored

    def subset(self, positions: Sequence[int]) -> TableColumns:
        """Return some of the columns, by their positions."""
        return TableColumns(
            tuple(self.names[index] for index in positions),
            tuple(self.centers[index] for index in positions),
            tuple(self.scales[index] for index in positions),
        )


@runtime_checkable
class Tabular(Protocol):
    """A dataset of rows of a table."""

    def table_columns(self) -> TableColumns:
        """Return the columns that are learned; raises ``DataError`` where only the file could tell, and cannot."""
        ...
