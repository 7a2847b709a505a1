"""A table as a logger: ``metrics.csv`` in the run directory, one row for each report and each evaluation."""

from __future__ import annotations

import csv
import errno
import io
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_cli.protocols.callbacks import Callback, EvaluationEvent, ReportEvent, StartEvent
from gan_cli.storage.files import AppendOnlyFile, WriteErrorHandler, replacing, writing
from gan_cli.storage.reading import read_lines
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.telemetry.loggers.interface import LoggedRun
from gan_cli.telemetry.metrics_file import MAX_BYTES

FIRST = ("step", "time")
STEP = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class CSV:
    """A table in the run directory, ``metrics.csv``: scalars alone, a column for each tag."""

    def callback(self, run: LoggedRun) -> CSVWriter:
        """Return the writer of a run's table."""
        return CSVWriter(run.directory, run.errors)


class CSVWriter(Callback):
    """Appends the scalars of reports and evaluations to ``metrics.csv``.

    A tag that is new, such as the first evaluation's, gets a column at the end: the table is written anew for it.
    """

    def __init__(self, directory: RunDirectory, errors: WriteErrorHandler) -> None:
        """``errors`` is the policy for write errors."""
        self._path = directory.table
        self._errors = errors
        self._columns: list[str] = []
        self._file: AppendOnlyFile | None = None

    def on_start(self, event: StartEvent) -> None:
        """Open the table, and drop its rows of this step and later, which an earlier process has written."""
        with writing(self._path):
            self._columns = _read_columns(self._path)
            self._rewrite(before=event.step)

    def on_report(self, event: ReportEvent) -> None:
        self._write(event.step, event.report.scalars)

    def on_evaluation(self, event: EvaluationEvent) -> None:
        """Write the metrics of an evaluation in a row of their own."""
        if event.scalars:
            self._write(event.step, event.scalars)

    def _write(self, step: int, scalars: Mapping[str, float]) -> None:
        with self._errors.writing("metrics.csv", self._path):
            new = [tag for tag in scalars if tag not in self._columns]
            if new:
                self._columns = [*self._columns, *new]
                self._rewrite()
            assert self._file is not None
            row = {"step": step, "time": f"{time.time():.3f}", **scalars}
            self._file.write(_line([row.get(column, "") for column in self._columns]))

    def _rewrite(self, before: float = float("inf")) -> None:
        """Write the table anew with the present columns, without rows of step ``before`` and later; open its end."""
        if self._file is not None:
            self._file.close()
        with replacing(self._path) as temporary, temporary.open("wb") as table:
            table.write(_line(self._columns))
            for row in _complete_rows(self._path):
                if int(row[0]) < before:
                    table.write(_line([*row, *[""] * (len(self._columns) - len(row))]))
        self._file = AppendOnlyFile(self._path)

    def fsync(self) -> None:
        """Make the rows so far durable across a power cut; waits for the disk. Thread-safe."""
        assert self._file is not None
        with writing(self._path):
            self._file.fsync()

    def close(self) -> None:
        if self._file is not None:
            with self._errors.writing("metrics.csv", self._path):
                self._file.close()


def _line(cells: Sequence[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _rows(table: Path) -> Iterator[list[str]]:
    """Yield the rows of a table, its header first; none where there is no table."""
    if not os.path.lexists(table):
        return
    try:
        yield from csv.reader(line.decode(errors="replace") for line in read_lines(table, MAX_BYTES))
    except csv.Error as error:
        raise OSError(errno.EINVAL, f"no table: {error}", str(table)) from error


def _read_columns(table: Path) -> list[str]:
    header = next(_rows(table), [])
    return header if tuple(header[:2]) == FIRST else list(FIRST)


def _complete_rows(table: Path) -> Iterator[list[str]]:
    """Yield the rows of a table that are as long as its header and begin with a step: a crash may have cut the last."""
    rows = _rows(table)
    header = next(rows, [])
    if tuple(header[:2]) == FIRST:
        yield from (row for row in rows if len(row) == len(header) and STEP.fullmatch(row[0]))
