"""Evaluations of all checkpoints of a run, beside training (``--watch``) or afterwards (``--all``)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gan_cli.errors import ConfigError, DivergedError, UserError
from gan_cli.evaluation.request import EvaluationRequest
from gan_cli.evaluation.run_evaluation import RunEvaluations
from gan_cli.evaluation.runs_table import headline
from gan_cli.storage import checkpoints
from gan_cli.storage.checkpoint_choice import MAX_STEP
from gan_cli.storage.evaluations_file import append_evaluation, read_evaluations
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint
from gan_cli.telemetry.evaluation_curves import EvaluationCurves

# Seconds between two looks for a new checkpoint.
POLL_SECONDS = 2.0


class CheckpointEvaluations:
    """Evaluates the checkpoints of a run, each once, and keeps the results in ``evaluations.jsonl`` and ``eval/``.

    Nothing that training reads or writes is touched, and no lock is held while something is measured.

    Attributes:
        documents: step -> evaluation, of all checkpoints that were there and are measured.
        status: exit status: that of the first checkpoint that could not be measured, or 0.
    """

    def __init__(
        self,
        directory: RunDirectory,
        request: EvaluationRequest,
        evaluations: RunEvaluations,
        report: Callable[[str], None],
        *,
        again: bool = False,
    ) -> None:
        """Prepare to evaluate the checkpoints of a run.

        Args:
            directory: of the run.
            request: options of all evaluations.
            evaluations: evaluates one checkpoint.
            report: called with a line for each checkpoint.
            again: whether those that were measured with the same options before are measured anew.
        """
        self.documents: dict[int, dict[str, Any]] = {}
        self.status = 0
        self._directory = directory
        self._evaluations = evaluations
        self._report = report
        stored = [each for each in read_evaluations(directory.evaluations) if request.has_made(each)]
        # The latest line of a step counts.
        self._stored = {int(each["generator"]["step"]): each for each in stored if _has_step(each)}
        self._skips = not again
        self._seen: dict[int, tuple[int, int]] = {}
        self._curves: EvaluationCurves | None = None

    def evaluate_all(self) -> None:
        """Evaluate all checkpoints that are there, in the order of their steps.

        Raises:
            ConfigError: there are none, or the first one cannot be measured.
            DataError: the data cannot be read, or are others than the run was trained on.
            OutputError: the results cannot be written.
        """
        if not self._evaluate_new():
            raise ConfigError(f"no checkpoint in {self._directory.checkpoints}")

    def watch(self, wait: Callable[[float], None] = time.sleep) -> None:
        """Evaluate all checkpoints, those that are there and those to come, until no process trains any more.

        Raises as :meth:`evaluate_all`.
        """
        while True:
            training = self._directory.is_locked  # asked before the search: the last checkpoint is found after it
            found = self._evaluate_new()
            if not training and not found:
                break
            if not found:
                wait(POLL_SECONDS)
        if not self._seen:
            raise ConfigError(f"no checkpoint in {self._directory.checkpoints}, and no process trains there")

    def close(self) -> None:
        """Close the file of the curves."""
        if self._curves is not None:
            self._curves.close()

    def _evaluate_new(self) -> bool:
        """Evaluate the checkpoints that are new, and return whether there were any."""
        found = False
        for step in checkpoints.steps(self._directory.checkpoints):
            path = checkpoints.path_of_step(self._directory.checkpoints, step)
            identity = _identity(path)
            if identity is None:
                found = True
                self._report_deleted(step)
            elif self._seen.get(step) != identity:
                found = True
                self._seen[step] = identity
                self._evaluate(step)
        return found

    def _evaluate(self, step: int) -> None:
        try:
            checkpoint = RunCheckpoint(self._directory, step).read()
            document = self._stored_document(checkpoint, step)
            if document is None:
                document = self._evaluations.of_checkpoint(checkpoint).document
                self._keep(step, document)
                self._report(f"step {step}: {headline(document)}")
        except (ConfigError, DivergedError) as error:
            if _identity(checkpoints.path_of_step(self._directory.checkpoints, step)) is None:
                self._report_deleted(step)
            elif not self.documents and isinstance(error, ConfigError):
                raise  # the options do not suit the run
            else:
                self._report_error(step, error)
        else:
            self.documents[step] = document

    def _stored_document(self, checkpoint: RunCheckpoint, step: int) -> dict[str, Any] | None:
        """Return what was measured of the same weights with the same options before, or None."""
        stored = self._stored.get(step)
        if stored is None or not self._skips:
            return None
        if stored["generator"].get("checksum") != self._evaluations.network_checksum(checkpoint):
            return None  # of a run that was rolled back, say
        self._report(f"step {step}: measured with the same options before (--again: anew)")
        return stored

    def _keep(self, step: int, document: Mapping[str, Any]) -> None:
        line = {"step": step, "time": time.time(), **document}
        append_evaluation(self._directory.evaluations, line)
        if self._curves is None:
            earlier = {each: _metrics(content) for each, content in self._stored.items()}
            self._curves = EvaluationCurves(self._directory.evaluation_curves, earlier)
        self._curves.add(step, _metrics(document))

    def _report_deleted(self, step: int) -> None:
        self._report(f"step {step}: its checkpoint was deleted before it was read (train.keep_checkpoints)")

    def _report_error(self, step: int, error: UserError) -> None:
        self.status = self.status or error.exit_status
        self._report(f"step {step}: not measured: {error}")


def _metrics(document: Mapping[str, Any]) -> dict[str, float]:
    """Return the finite metrics of an evaluation by name."""
    values = {name: figure.get("value") for name, figure in document["figures"].items()}
    return {name: value for name, value in values.items() if isinstance(value, float) and math.isfinite(value)}


def _has_step(stored: Mapping[str, Any]) -> bool:
    step = stored["generator"].get("step")
    return isinstance(step, int) and 0 <= step <= MAX_STEP


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of its name; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
