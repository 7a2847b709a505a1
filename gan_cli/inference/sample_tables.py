"""Generated rows of a table as comma-separated text, with the names of its columns."""

from __future__ import annotations

import csv
from pathlib import Path

from gan_cli.errors import ConfigError
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.conditions import VectorCondition
from gan_cli.protocols.data import ConditionValues, Dataset, class_names
from gan_cli.protocols.inference import TrainedSampler
from gan_cli.protocols.tables import TableColumns, Tabular


def require_table(dataset: Dataset) -> TableColumns:
    """Return the columns of a dataset; raises ``ConfigError`` for one that is no table."""
    if not isinstance(dataset, Tabular):
        raise ConfigError("--out: a name that ends in .csv is for tables, and this run learned something else")
    return dataset.table_columns()


def write_csv(path: Path, samples: FloatArray, trained: TrainedSampler, conditions: ConditionValues | None) -> None:
    """Write rows in the table's own units, below the names of the columns.

    Args:
        path: the file to write.
        samples: ``(N, D)``, standardized.
        trained: what has drawn them.
        conditions: the classes ``(N,)`` or vectors ``(N, K)`` that they are conditional on, which become the last
            columns; None: there are none.
    """
    columns, added = require_table(trained.dataset), _condition_columns(trained, conditions)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns.names, *added])
        for row, *others in zip(columns.restore(samples).tolist(), *added.values(), strict=True):
            writer.writerow([*map(_digits, row), *others])


def _condition_columns(trained: TrainedSampler, conditions: ConditionValues | None) -> dict[str, list[str]]:
    """Return what rows are conditional on as text, by the name of the column."""
    if conditions is None:
        return {}
    if isinstance(trained.condition, VectorCondition):
        columns = zip(trained.condition.names, conditions.T.tolist(), strict=True)
        return {name: list(map(_digits, values)) for name, values in columns}
    names = class_names(trained.data)
    classes = [names[label] if label < len(names) else str(label) for label in conditions.tolist()]
    return {getattr(trained.dataset, "class_column", None) or "class": classes}


def _digits(value: float) -> str:
    return f"{value:.10g}"
