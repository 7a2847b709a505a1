"""Sections ``checkpoint`` and ``stop`` of the configuration: the best moment of a run, and its end. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gan_cli.components.ranges import NonNegative, Range, check_ranges
from gan_cli.config.fields import setting
from gan_cli.errors import require


@dataclass
class CheckpointSection:
    """The best checkpoint of a run, which is kept beside the latest ones."""

    best: str | None = setting(
        None, "metric by which the best checkpoint is kept as best.pt, e.g. metrics/frechet; null: none is"
    )


@dataclass
class StopSection:
    """Early stopping: a run ends, as completed, once a metric has not improved for a while."""

    metric: str | None = setting(
        None, "metric that is to improve, e.g. metrics/frechet; null: the run makes all of its train.steps"
    )
    patience: Annotated[int, Range(0, 1_000_000, note="0: never")] = setting(
        6, "measurements in a row without an improvement after which the run ends; 0: never"
    )
    margin: NonNegative = setting(
        1.0, "smallest improvement that counts, in standard errors of the difference of two measurements"
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        unused = self.metric is None and self.patience not in (0, StopSection.patience)
        require(not unused, "metric", self.metric, "a metric, as stop.patience has been set (metrics/frechet)")

    @property
    def active(self) -> bool:
        """True where the run may end before its last step."""
        return self.metric is not None and self.patience > 0
