"""Metrics of a run as a table: a row for each step, a column for each tag. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from gan_cli.errors import ConfigError
from gan_cli.report.curves import read_curves
from gan_cli.report.records import Curve
from gan_cli.storage.run_directory import RunDirectory

if TYPE_CHECKING:
    import pandas as pd

Columns: TypeAlias = dict[str, npt.NDArray[np.float64]]
STEP = "step"


def metric_table(directory: RunDirectory) -> pd.DataFrame | Columns:
    """Return the metrics of a run; see ``Run.metrics``."""
    try:
        columns = metric_columns(read_curves(directory.metrics))
    except OSError as error:
        raise ConfigError(f"{directory.metrics} cannot be read: {error.strerror or error}") from error
    try:
        import pandas as pd
    except ImportError:
        return columns
    steps = pd.Index(columns.pop(STEP).astype(np.int64), name=STEP)
    return pd.DataFrame(columns, index=steps)


def metric_columns(curves: Mapping[str, Curve]) -> Columns:
    """Return ``step``, ascending, and the curve of each tag at these steps: NaN where it has no value."""
    each = [curve.steps for curve in curves.values()]
    steps = np.unique(np.concatenate(each)) if each else np.empty(0)
    columns = {STEP: steps}
    for tag, curve in curves.items():
        columns[tag] = np.full(len(steps), np.nan)
        columns[tag][np.searchsorted(steps, curve.steps)] = curve.values
    return columns
