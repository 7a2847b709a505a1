"""The best checkpoint of a run by a metric (``checkpoint.best``), kept as ``checkpoints/best.pt``."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from gan_cli.errors import printable
from gan_cli.protocols.callbacks import Callback, EvaluationEvent, ReportEvent, StartEvent
from gan_cli.storage import checkpoints
from gan_cli.storage.async_writer import BackgroundWriter
from gan_cli.storage.files import WriteErrorHandler
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.state_values import number
from gan_cli.training.measurement import Measurement, Measurements, is_better

logger = logging.getLogger(__name__)


class KeepBest(Callback):
    """Makes ``best.pt`` the checkpoint of the step with the best measurement.

    The checkpoint of a step is saved before anything of it is measured, so that its state does not know what came of
    it: a run that is resumed there measures the step again, and decides anew.
    """

    def __init__(
        self, measurements: Measurements, directory: RunDirectory, saver: BackgroundWriter, errors: WriteErrorHandler
    ) -> None:
        """Prepare to keep the best checkpoint of a run.

        Args:
            measurements: of the metric.
            directory: of the run.
            saver: writes the checkpoints.
            errors: policy for write errors.
        """
        self._measurements = measurements
        self._sign = measurements.choice.sign()
        self._directory = directory
        self._saver = saver
        self._errors = errors
        self._records: list[Measurement] = []

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps at which a checkpoint became the best one, in order."""
        return tuple(record.step for record in self._records)

    def on_start(self, event: StartEvent) -> None:
        """Have ``best.pt`` be that of the measurements so far, of which a rollback may have taken back the latest."""
        folder = self._directory.checkpoints
        with self._errors.writing("best.pt", folder):
            while self._records and not checkpoints.make_best(folder, self._records[-1].step):
                lost = self._records.pop()
                logger.warning("the best checkpoint, of step %d, is no longer in %s", lost.step, folder)
            if not self._records:
                checkpoints.delete_best(folder)

    def on_report(self, event: ReportEvent) -> None:
        self._consider(self._measurements.of_report(event))

    def on_evaluation(self, event: EvaluationEvent) -> None:
        self._consider(self._measurements.of_evaluation(event))

    def summary(self) -> dict[str, Any]:
        """Return the entry of ``summary.json``; empty where nothing was measured."""
        if not self._records:
            return {}
        best = self._records[-1]
        file = f"{self._directory.checkpoints.name}/{checkpoints.BEST}"
        return {"best_checkpoint": {"metric": best.tag, "value": best.value, "step": best.step, "file": file}}

    def describe(self) -> str:
        """Return a line for the end of a run."""
        if not self._records:
            choice = self._measurements.choice
            return f"{choice.key}: {choice.tag} was not measured, so that there is no best checkpoint"
        best = self._records[-1]
        return f"best checkpoint: step {best.step}, {best.tag} {best.value:.4g} (--checkpoint best)"

    def state_dict(self) -> dict[str, Any]:
        """Return the measurements that were the best ones of their time, and the metric that was chosen."""
        records = [{"step": each.step, "tag": each.tag, "value": each.value} for each in self._records]
        return {"metric": self._measurements.choice.tag, "records": records}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state; of another metric, nothing."""
        if state["metric"] == self._measurements.choice.tag:
            self._records = [
                Measurement(int(each["step"]), printable(each["tag"]), number(each["value"]))
                for each in state["records"]
            ]

    def _consider(self, measured: Measurement | None) -> None:
        if measured is None:
            return
        before = self._records[-1].value if self._records else math.nan
        if not is_better(self._sign, measured.value, before):
            return
        self._saver.wait()  # for the checkpoint of this step
        with self._errors.writing("best.pt", self._directory.checkpoints):
            if checkpoints.make_best(self._directory.checkpoints, measured.step):
                self._records.append(measured)
