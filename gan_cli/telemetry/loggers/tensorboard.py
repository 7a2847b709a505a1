"""TensorBoard as a logger: event files in the run directory."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.telemetry.loggers.interface import LoggedRun
from gan_cli.telemetry.tensorboard_writer import TensorBoardWriter


@dataclass(frozen=True)
class TensorBoard:
    """Event files of TensorBoard in the run directory: scalars, histograms, grids, alarms, hyper-parameters."""

    def callback(self, run: LoggedRun) -> TensorBoardWriter:
        """Return the writer of a run's event files."""
        return TensorBoardWriter(run.directory, run.errors, run.layout, run.hparams, run.config)
