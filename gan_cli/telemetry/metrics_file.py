"""The file ``metrics.jsonl`` of a run: one line for each report and each evaluation."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path

from gan_cli.protocols.callbacks import Callback, EvaluationEvent, ReportEvent, StartEvent
from gan_cli.storage.files import AppendOnlyFile, WriteErrorHandler, replacing, writing
from gan_cli.storage.reading import MIB, read_lines
from gan_cli.storage.run_directory import RunDirectory

# Of a file that a run has written itself; a run that reports every step comes to a few gigabytes.
MAX_BYTES = 65_536 * MIB


class MetricsFileWriter(Callback):
    """Appends the scalars of reports and evaluations to ``metrics.jsonl``.

    Every line is written at once, so that those of a step are on disk before a checkpoint of a later step is.
    """

    def __init__(self, directory: RunDirectory, errors: WriteErrorHandler) -> None:
        """``errors`` is the policy for write errors."""
        self._directory = directory
        self._errors = errors
        self._file: AppendOnlyFile | None = None

    def on_start(self, event: StartEvent) -> None:
        """Open the file, and drop its lines of this step and later, which an earlier process has written."""
        with writing(self._directory.metrics):
            _drop_lines_from(self._directory.metrics, event.step)
            self._file = AppendOnlyFile(self._directory.metrics)

    def on_report(self, event: ReportEvent) -> None:
        self._write(event.step, event.report.scalars)

    def on_evaluation(self, event: EvaluationEvent) -> None:
        """Write the metrics of an evaluation in a line of their own."""
        if event.scalars:
            self._write(event.step, event.scalars)

    def _write(self, step: int, scalars: Mapping[str, float]) -> None:
        assert self._file is not None
        # JSON has neither NaN nor infinity.
        finite = {tag: value if math.isfinite(value) else None for tag, value in scalars.items()}
        line = json.dumps({"step": step, "time": time.time(), **finite})
        with self._errors.writing("metrics.jsonl", self._directory.metrics):
            self._file.write(f"{line}\n".encode())

    def fsync(self) -> None:
        """Make the lines so far durable across a power cut; waits for the disk. Thread-safe."""
        assert self._file is not None
        with writing(self._directory.path):
            self._file.fsync()

    def close(self) -> None:
        if self._file is not None:
            with self._errors.writing("metrics.jsonl", self._directory.metrics):
                self._file.close()


def _drop_lines_from(metrics: Path, step: int) -> None:
    """Drop the lines of ``metrics.jsonl`` from ``step`` on, and any line that a crash has truncated."""
    if not os.path.lexists(metrics):
        return
    with replacing(metrics) as temporary, temporary.open("wb") as kept:
        for line in read_lines(metrics, MAX_BYTES):
            if _line_step(line) < step:
                kept.write(line + b"\n")


def _line_step(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return math.inf
