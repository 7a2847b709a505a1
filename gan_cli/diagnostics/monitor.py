"""Alarms from the metrics of successive reports.

The monitor counts reports against each rule's patience, and computes metrics that span several reports.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from gan_cli.config.diagnostics import DiagnosticsSection
from gan_cli.config.schema import NonFinite
from gan_cli.diagnostics.advice import coordinate, current_suggestion
from gan_cli.diagnostics.history import History
from gan_cli.diagnostics.rules import NON_FINITE, AlarmRule, Level, Suggestion
from gan_cli.diagnostics.streaks import Streak
from gan_cli.protocols.callbacks import Alarm, Note
from gan_cli.storage.state_values import number, numbers_by_name

# A run that diverges at a rate above MAX_RATE is to be tried at GAN_RATE, that of most GANs, or at MAX_RATE where there
# is one network to train, as in autoencoders and diffusion; others at a quarter of their rate.
MAX_RATE, GAN_RATE = 1e-3, 2e-4


@dataclass(frozen=True)
class CheckResult:
    """The outcome of checking one report.

    Attributes:
        scalars: tag -> value: ``diagnosis/<alarm>``, 1 while it lasts and 0 else, and metrics over several reports.
        raised: alarms that were raised by this report.
        ended: names of those that ended with it.
    """

    scalars: Mapping[str, float]
    raised: Sequence[Alarm]
    ended: Sequence[str]


class AlarmMonitor:
    """Checks every report of a run against the alarm rules.

    Attributes:
        alarms: all that were raised so far, in order.
        notes: what is worth mentioning at the end of the run, should it end now.
    """

    def __init__(
        self,
        limits: DiagnosticsSection,
        rules: Sequence[AlarmRule],
        non_finite: NonFinite = NonFinite.stop,
    ) -> None:
        """Set up the monitor of a run.

        Args:
            limits: thresholds of all alarms.
            rules: the alarms to check for, beside that of numbers that are not finite, and the notes. Of two alarms
                that one report raises, the first in this order makes the suggestion.
            non_finite: with ``skip``, a metric that is not finite is that of a skipped update and raises no alarm.
        """
        self._limits = limits
        self._non_finite = non_finite
        self._rules = rules
        self._streaks: dict[str, Streak] = {}
        self._history = History(limits.oscillation.patience)
        self.alarms: list[Alarm] = []
        self.notes: list[Note] = []

    @property
    def lasting(self) -> list[Alarm]:
        """The alarms that last, each as it was raised last."""
        latest = {alarm.name: alarm for alarm in self.alarms}
        return [alarm for name, alarm in latest.items() if self._streaks.get(name, Streak()).active]

    def actionable(self, alarm: Alarm) -> bool:
        """Return whether ``on_alarm`` (stop, rollback) applies to the alarm; always for a number that is not finite."""
        return alarm.name == NON_FINITE or any(rule.acts for rule in self._rules if rule.name == alarm.name)

    def check(self, step: int, scalars: Mapping[str, float], nonfinite: str | None = None) -> CheckResult:
        """Check the report of a step against all rules, and advance their counts.

        With ``diagnostics.every=0`` only numbers that are not finite raise an alarm.

        Args:
            step: of the report.
            scalars: tag -> metric of the report.
            nonfinite: a description of the numbers that were found not finite since the last report; None: there were
                none.
        """
        if not self._limits.every:
            return CheckResult({}, self._nonfinite_alarms(step, scalars, nonfinite), [])
        results = self._history.add(scalars)
        metrics = {**scalars, **results}
        raised, ended = self._nonfinite_alarms(step, scalars, nonfinite), []
        for rule in self._rules:
            before = self._streaks.get(rule.name, Streak())
            now = self._streaks[rule.name] = _advance(before, rule, metrics)
            if rule.level is Level.note:
                continue
            if now.active and not before.active:
                raised.append(self._alarm(rule, step, metrics))
                self.alarms.append(raised[-1])
            elif now.active and not now.absent:
                self._update_last_step(rule.name, step)
            elif before.active and not now.active:
                ended.append(rule.name)
            results[f"diagnosis/{rule.name}"] = float(now.active)
        results[f"diagnosis/{NON_FINITE}"] = float(any(alarm.name == NON_FINITE for alarm in raised))
        self.notes = self._current_notes(metrics)
        return CheckResult(results, raised, ended)

    def append_to_message(self, alarm: Alarm, sentence: str) -> Alarm:
        """Append a sentence, found out since, to the message of an alarm, and return the alarm with it."""
        index = self.alarms.index(alarm)
        self.alarms[index] = replace(alarm, message=f"{alarm.message}; {sentence}")
        return self.alarms[index]

    def _alarm(self, rule: AlarmRule, step: int, metrics: Mapping[str, float]) -> Alarm:
        """Return the alarm of a rule, with a suggestion that fits those of the alarms before."""
        current = current_suggestion(self.alarms)
        ranks = {each.name: each.rank for each in self._rules}
        current_rank = ranks.get(current.name, rule.rank) if current else rule.rank
        advice = coordinate(rule.suggestion(metrics), rule.rank, current, current_rank)
        return Alarm(
            rule.name,
            step,
            step,
            _figures(rule, metrics),
            rule.message(metrics),
            advice.text,
            rule.evidence(metrics),
            advice.overrides,
            advice.see,
        )

    def _current_notes(self, metrics: Mapping[str, float]) -> list[Note]:
        """Return the notes whose condition lasts; none while an alarm does, which is more urgent."""
        if self.lasting:
            return []
        notes = [rule for rule in self._rules if rule.level is Level.note and _is_measured(rule, metrics)]
        return [_note(rule, metrics) for rule in notes if self._streaks[rule.name].active]

    def _nonfinite_alarms(self, step: int, scalars: Mapping[str, float], nonfinite: str | None) -> list[Alarm]:
        """Return the alarm of a number that is not finite, raised at once whatever the thresholds; else no alarm."""
        bad = {tag: value for tag, value in scalars.items() if not math.isfinite(value)}
        if nonfinite is None and (not bad or self._non_finite is NonFinite.skip):
            return []
        suggestion = Suggestion(_smaller_rates(scalars), "smaller steps are less likely to diverge")
        evidence = nonfinite or _describe_nonfinite(bad)[0]
        message = "; ".join([*([nonfinite] if nonfinite else []), *_describe_nonfinite(bad)])
        figures: dict[str, float | None] = dict.fromkeys(bad)
        alarm = Alarm(NON_FINITE, step, step, figures, message, str(suggestion), evidence, suggestion.overrides)
        self.alarms.append(alarm)
        return [alarm]

    def _update_last_step(self, name: str, step: int) -> None:
        index = max(index for index, alarm in enumerate(self.alarms) if alarm.name == name)
        self.alarms[index] = replace(self.alarms[index], last_step=step)

    def state_dict(self) -> dict[str, Any]:
        """Return the rules' counts, the history behind metrics over several reports, and the alarms so far."""
        return {
            "streaks": {name: streak.present for name, streak in self._streaks.items()},
            "absent": {name: float(streak.absent) for name, streak in self._streaks.items()},
            "active": [name for name, streak in self._streaks.items() if streak.active],
            **self._history.state_dict(),
            "alarms": [asdict(alarm) for alarm in self.alarms],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state; those of earlier versions do not say which alarms last, which their counts show."""
        self.alarms = [_stored_alarm(**alarm) for alarm in state["alarms"]]
        present, absent = numbers_by_name(state["streaks"]), numbers_by_name(state.get("absent", {}))
        raised = {alarm.name for alarm in self.alarms}
        by_count = [
            rule.name for rule in self._rules if rule.name in raised and present.get(rule.name, 0.0) >= rule.patience
        ]
        active = {str(name) for name in state.get("active", by_count)}
        self._streaks = {
            name: Streak(count, int(absent.get(name, 0)), name in active) for name, count in present.items()
        }
        self._history.load_state_dict(state)


def _advance(streak: Streak, rule: AlarmRule, metrics: Mapping[str, float]) -> Streak:
    """Return the streak of a rule after a report; unchanged by a report without what the rule needs."""
    if not _is_measured(rule, metrics):
        return streak
    return streak.after(rule.severity(metrics), rule.patience, rule.release)


def _is_measured(rule: AlarmRule, metrics: Mapping[str, float]) -> bool:
    return all(math.isfinite(metrics.get(tag, math.nan)) for tag in rule.needs)


def _stored_alarm(
    name: str,
    step: int,
    last_step: int,
    figures: Mapping[str, float | None],
    message: str,
    try_next: str,
    **texts: str,
) -> Alarm:
    """Return an alarm of a checkpoint, each value of which may be of any type; earlier versions had fewer texts."""
    evidence = {str(tag): None if value is None else number(value) for tag, value in figures.items()}
    known = {key: str(texts[key]) for key in ("evidence", "overrides", "see") if key in texts}
    return Alarm(str(name), int(number(step)), int(number(last_step)), evidence, str(message), str(try_next), **known)


def _figures(rule: AlarmRule, metrics: Mapping[str, float]) -> dict[str, float]:
    return {tag: metrics[tag] for tag in rule.needs if not tag.startswith("lr/")}


def _note(rule: AlarmRule, metrics: Mapping[str, float]) -> Note:
    suggestion = rule.suggestion(metrics)
    return Note(rule.name, rule.evidence(metrics), _figures(rule, metrics), suggestion.overrides, suggestion.reason)


def _describe_nonfinite(bad: Mapping[str, float]) -> list[str]:
    """Describe the first of the metrics that are not finite, and count the others; empty if there are none."""
    more = f", and {len(bad) - 1} more metrics are not finite" if len(bad) > 1 else ""
    return [f"{tag} is {value}{more}" for tag, value in list(bad.items())[:1]]


def _smaller_rates(scalars: Mapping[str, float]) -> str:
    """Return overrides that lower the learning rates, of both networks where there are two.

    Those of G and D are named apart, since ``optimizer.lr`` changes neither once each is given.
    """
    rates = {tag: scalars[tag] for tag in ("lr/g", "lr/d") if math.isfinite(scalars.get(tag, math.nan))}
    usual = GAN_RATE if "lr/d" in rates else MAX_RATE
    too_high = {tag: usual for tag, rate in rates.items() if rate > MAX_RATE}
    smaller = too_high or {tag: rate / 4 for tag, rate in rates.items() if rate > 0}
    if "lr/d" not in rates:
        return f"optimizer.lr={smaller.get('lr/g', GAN_RATE):.2g}"
    return " ".join(f"optimizer.lr_{tag[-1]}={rate:.2g}" for tag, rate in smaller.items())
