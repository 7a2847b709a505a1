"""The interface of an alarm rule: from metrics to a severity, the evidence and a suggestion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Protocol, TypeAlias

from gan_cli.config.diagnostics import Thresholds

NON_FINITE = "non_finite"
# Tag of the number of updates that were skipped since the last report (train.non_finite=skip).
SKIPPED = "diagnosis/skipped"

Metrics: TypeAlias = Mapping[str, float]
# Measured every train.eval_every steps, where a classifier is available: KL divergence of the generated samples' class
# shares from the data's.
CLASS_KL = "metrics/class_kl/classifier"


@dataclass(frozen=True)
class Suggestion:
    """Overrides to try after an alarm, and the reason.

    Attributes:
        overrides: command-line overrides to append to the run's own, separated by spaces.
        reason: why they may help, as a clause.
    """

    overrides: str
    reason: str

    def __str__(self) -> str:
        return f"{self.overrides}: {self.reason}"


class Level(Enum):
    """The consequence of a rule whose condition lasts."""

    alarm = "alarm"
    # Mentioned once, at the end of a run at which the condition lasts and no alarm does: training is not in danger.
    note = "note"


class AlarmRule(Protocol):
    """A pure function from the metrics of one report to one alarm, or to one note.

    The :class:`~gan_cli.diagnostics.monitor.AlarmMonitor` counts the reports and raises the alarm.
    """

    @property
    def name(self) -> str:
        """Name of the alarm, whose tag is ``diagnosis/<name>``."""
        ...

    @property
    def patience(self) -> int:
        """Number of consecutive reports with a severity of 1 after which the alarm is raised."""
        ...

    @property
    def release(self) -> int:
        """Number of consecutive reports with a severity of 0 after which the alarm is over."""
        ...

    @property
    def acts(self) -> bool:
        """True if ``diagnostics.on_alarm`` (stop, rollback) applies to the alarm."""
        ...

    @property
    def level(self) -> Level:
        """The consequence: an alarm, or a note at the end of the run."""
        ...

    @property
    def rank(self) -> int:
        """Which of several suggestions in a run counts, the highest: 0 of flags, 1 of failures, 2 of their causes."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Tags without which the rule cannot be evaluated."""
        ...

    def severity(self, metrics: Metrics) -> float:
        """Return by how much of a report to advance the count towards ``patience``.

        0 where the problem is absent, 1 for most signs of it, less for vague ones.
        """
        ...

    def evidence(self, metrics: Metrics) -> str:
        """Describe the problem by the one number that shows it best, in at most 60 characters."""
        ...

    def message(self, metrics: Metrics) -> str:
        """Describe the problem in one sentence that quotes all metrics behind it."""
        ...

    def suggestion(self, metrics: Metrics) -> Suggestion:
        """Return the overrides to try next, other than those that the run has already."""
        ...


class ThresholdRule(ABC):
    """Base of rules whose patience is one of their thresholds.

    Attributes:
        limits: a section of ``diagnostics``, or thresholds of a rule's own.
    """

    limits: Thresholds
    level: ClassVar[Level] = Level.alarm
    rank: ClassVar[int] = 1

    @property
    def patience(self) -> int:
        return self.limits.patience

    @property
    def release(self) -> int:
        return self.patience

    @property
    def acts(self) -> bool:
        return self.limits.acts

    @abstractmethod
    def message(self, metrics: Metrics) -> str:
        """Describe the problem in one sentence that quotes all metrics behind it."""

    def evidence(self, metrics: Metrics) -> str:
        """Return the message, for rules without a shorter description."""
        return self.message(metrics)
