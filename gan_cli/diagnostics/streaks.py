"""Counts of reports with and without a problem: when an alarm is raised, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass, replace

# Severities below 1 add up to whole reports only up to rounding.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Streak:
    """Consecutive reports of a run as one rule sees them.

    Attributes:
        present: sum of the severities of the latest reports with the problem; 0 after a report without it.
        absent: number of the latest reports without it; 0 after a report with it.
        active: whether the alarm lasts: raised after ``patience`` reports with the problem in a row, over after
            ``release`` reports in a row without it, so that it does not change with every report in between.
    """

    present: float = 0.0
    absent: int = 0
    active: bool = False

    def after(self, severity: float, patience: float, release: int) -> Streak:
        """Return the streak after one more report.

        Args:
            severity: of the report, 0 where the problem is absent.
            patience: sum of severities in a row after which the alarm is raised, above 0.
            release: number of reports in a row without the problem after which it is over, 1 or more.
        """
        if severity:
            present = self.present + severity
            return Streak(present, 0, self.active or present >= patience - ROUNDING)
        absent = self.absent + 1
        return replace(self, present=0.0, absent=absent, active=self.active and absent < release)
