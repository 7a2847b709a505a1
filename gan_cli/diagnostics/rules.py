"""The interface of an alarm rule: from metrics to a severity, a message and a suggestion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

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
        overrides: command-line overrides, separated by spaces.
        reason: why they may help, as a clause.
    """

    overrides: str
    reason: str

    def __str__(self) -> str:
        return f"{self.overrides}: {self.reason}"


class AlarmRule(Protocol):
    """A pure function from the metrics of one report to one alarm.

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
    def acts(self) -> bool:
        """True if ``diagnostics.on_alarm`` (stop, rollback) applies to the alarm."""
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

    def message(self, metrics: Metrics) -> str:
        """Describe the problem in one sentence that quotes the metrics behind it."""
        ...

    def suggestion(self, metrics: Metrics) -> Suggestion:
        """Return the overrides to try next."""
        ...


class ThresholdRule:
    """Base of rules whose patience is one of their thresholds.

    Attributes:
        limits: a section of ``diagnostics``, or thresholds of a rule's own.
    """

    limits: Thresholds

    @property
    def patience(self) -> int:
        return self.limits.patience

    @property
    def acts(self) -> bool:
        return self.limits.acts
