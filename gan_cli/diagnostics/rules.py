"""What a rule of the alarm monitor is: from metrics to a message and a suggestion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from gan_cli.config.diagnostics import Thresholds

NON_FINITE = "non_finite"
# Updates that were skipped since the last report (train.non_finite=skip).
SKIPPED = "diagnosis/skipped"

Figures: TypeAlias = Mapping[str, float]
# Measured every train.eval_every steps, where a classifier is at hand: how unevenly generated samples fill classes.
CLASS_KL = "metrics/class_kl/classifier"


@dataclass(frozen=True)
class Advice:
    """What to try next.

    Attributes:
        overrides: what to add to the command line.
        reason: why, in words.
    """

    overrides: str
    reason: str

    def __str__(self) -> str:
        return f"{self.overrides}: {self.reason}"


class Symptom(Protocol):
    """One alarm."""

    @property
    def name(self) -> str:
        """Of the alarm: ``diagnosis/<name>``."""
        ...

    @property
    def patience(self) -> int:
        """Reports in a row that it has to show."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Tags of the figures without which nothing can be said."""
        ...

    def shows(self, now: Figures) -> float:
        """For how many reports of trouble this one counts: 0 where there is none, 1 for most signs, less for vague."""
        ...

    def says(self, now: Figures) -> str:
        """The trouble in one sentence, with its figures."""
        ...

    def advises(self, now: Figures) -> Advice:
        """What to try next."""
        ...


class Limited:
    """What has thresholds of its own."""

    limits: Thresholds

    @property
    def patience(self) -> int:
        """As configured."""
        return self.limits.patience
