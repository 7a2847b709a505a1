"""Coordination of the suggestions of a run's alarms: one suggestion at a time, none that contradicts another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gan_cli.diagnostics.rules import NON_FINITE, Suggestion
from gan_cli.protocols.callbacks import Alarm


@dataclass(frozen=True)
class Advice:
    """The suggestion of an alarm, with regard to the alarms before it.

    Attributes:
        overrides: to append to the run's command; empty where those of an earlier alarm are to be tried first.
        text: the overrides with their reason, or with the alarm that suggests them.
        see: that earlier alarm with its step; empty where there are overrides.
    """

    overrides: str
    text: str
    see: str = ""


def current_suggestion(alarms: Iterable[Alarm]) -> Alarm | None:
    """Return the alarm whose suggestion is to be tried first: the latest that has one of its own. None: there is none.

    Numbers that are not finite end a run or are dealt with, so their suggestion leaves that of other alarms as it is.
    """
    return next((alarm for alarm in reversed([*alarms]) if alarm.overrides and alarm.name != NON_FINITE), None)


def coordinate(suggestion: Suggestion, rank: int, current: Alarm | None, current_rank: int) -> Advice:
    """Return the advice of an alarm that is raised after others.

    The first suggestion of a run stays, because whoever follows two at once does not learn which of them helped, and
    two may contradict each other. Only an alarm of a higher rank replaces it.

    Args:
        suggestion: of the rule of the new alarm.
        rank: of that rule.
        current: the alarm whose suggestion has been given; None: there was none.
        current_rank: rank of its rule.
    """
    if current is None:
        return Advice(suggestion.overrides, str(suggestion))
    where = _where(current)
    if rank > current_rank and suggestion.overrides != current.overrides:
        return Advice(suggestion.overrides, f"{suggestion}; this instead of {current.overrides} ({where})")
    return Advice("", f"{current.overrides} first, as {where} suggests", where)


def final_hint(alarm: Alarm, lasting: Iterable[Alarm]) -> str:
    """Return the hint of an alarm at the end of a run: its own, or the lasting alarm whose suggestion replaced it."""
    current = current_suggestion(sorted(lasting, key=lambda each: each.step))
    if current is None or current is alarm or not alarm.overrides:
        return alarm.hint
    return f"See {_where(current)}"


def _where(alarm: Alarm) -> str:
    return f"{alarm.name} (step {alarm.step})"
