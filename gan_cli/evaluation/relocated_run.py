"""Run whose data lie in another place than when it was trained. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from omegaconf import DictConfig

from gan_cli.config.data_places import relocated
from gan_cli.evaluation.targets import Targets
from gan_cli.storage.run_directory import RunDirectory


@dataclass(frozen=True)
class RelocatedRun(RunDirectory):
    """Directory of a run with another place of its data; its files stay as they are.

    Attributes:
        place: the files of the data, or their data root where the dataset has no path.
    """

    place: str

    def stored_config(self) -> DictConfig:
        """Read the stored configuration, with the place of the data; raises ``ConfigError`` for data of no file."""
        return relocated(super().stored_config(), self.place)


def with_data_in(targets: Targets, place: str) -> Targets:
    """Return the same runs with their data in another place."""
    return replace(targets, runs=tuple(RelocatedRun(run.path, place) for run in targets.runs))
