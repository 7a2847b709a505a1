"""The line that shows how far a run has come: its parts, and which of them fit into a terminal. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gan_cli.telemetry.quantities import format_duration

SEPARATOR = "  "
# Alarms that a line names; more are counted.
MAX_ALARM_NAMES = 2


@dataclass(frozen=True)
class ProgressLine:
    """Parts of a line, the most important first."""

    parts: Sequence[str]

    def __str__(self) -> str:
        return SEPARATOR.join(self.parts)

    def fit(self, width: int) -> str:
        """Return as many of the first parts as fit into ``width`` characters; the first one is cut if it does not."""
        text = self.parts[0][:width] if self.parts else ""
        for part in self.parts[1:]:
            longer = f"{text}{SEPARATOR}{part}"
            if len(longer) > width:
                break
            text = longer
        return text


@dataclass(frozen=True)
class Pace:
    """Steps that were made in some seconds of training, and evaluations in some others.

    Attributes:
        steps: made since training began or was resumed.
        seconds: that they took, with reports and pictures in between.
        evaluations: made since then.
        evaluating: seconds that these took.
    """

    steps: int
    seconds: float
    evaluations: int = 0
    evaluating: float = 0.0

    def seconds_for(self, steps: int, evaluations: int = 0) -> float | None:
        """Return the seconds that more steps and evaluations are likely to take; None before the first step.

        Evaluations count once one was made.
        """
        if not self.steps:
            return None
        each = self.evaluating / self.evaluations if self.evaluations else 0.0
        return self.seconds / self.steps * steps + each * evaluations


def time_left(pace: Pace, steps: int, evaluations: int = 0) -> str:
    """Return the time that so many more steps and evaluations take, as text; empty where it is not known.

    Evaluations are counted where none was made, from which their time could be known.
    """
    seconds = pace.seconds_for(steps, evaluations) if steps else None
    if seconds is None:
        return ""
    uncounted = evaluations if not pace.evaluations else 0
    more = f" and {uncounted} evaluation{'s' if uncounted > 1 else ''}" if uncounted else ""
    return f"{format_duration(seconds)}{more} left"


def progress_line(
    step: int,
    steps: int,
    pace: Pace,
    values: Mapping[str, float],
    alarms: Sequence[str] = (),
    phase: str = "",
    evaluations: int = 0,
) -> ProgressLine:
    """Make the line of a step.

    Args:
        step: updates made so far.
        steps: updates of the whole run.
        pace: of training so far.
        values: short name -> latest value, the most important first.
        alarms: names of those that are raised at the moment.
        phase: of training, in a few words; empty where there are no phases.
        evaluations: that are still to be made.
    """
    left = time_left(pace, steps - step, evaluations)
    return ProgressLine(
        [
            f"step {step}/{steps}",
            *([left] if left else []),
            *([phase] if phase else []),
            *([_describe_alarms(alarms)] if alarms else []),
            *_describe_values(values),
        ]
    )


def _describe_alarms(names: Sequence[str]) -> str:
    return f"alarm: {', '.join(names)}" if len(names) <= MAX_ALARM_NAMES else f"{len(names)} alarms"


def _describe_values(values: Mapping[str, float]) -> Iterable[str]:
    """Yield each value with its name; a name leaves out the word with which the one before it begins: ``loss``."""
    before = ""
    for name, value in values.items():
        first, _, rest = name.partition(" ")
        yield f"{rest if rest and first == before else name} {format_value(value)}"
        before = first if rest else ""


def format_value(value: float) -> str:
    """Return a metric in three digits, large ones as whole numbers."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"
