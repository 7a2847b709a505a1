"""From the figures of report after report to alarms: how long a symptom has to show, and what is remembered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

from gan_cli.config.diagnostics import DiagnosticsSection
from gan_cli.config.schema import NonFinite
from gan_cli.diagnostics.rules import NON_FINITE, Advice, Symptom

# Where a learning rate is beyond all that is used, that of most GANs is the one to start from.
LARGEST_RATE, USUAL_RATE = 1.0, 2e-4
# The peak of the gradient is that of a median of so many reports: a single spike is no standard.
SMOOTHED = 5


@dataclass(frozen=True)
class Alarm:
    """One trouble, from when it was raised to when it was last seen.

    Attributes:
        name: ``mode_collapse`` and so on.
        step: at which it was raised.
        last_step: at which it was last seen.
        figures: tag -> value behind it, at ``step``; None where it is no finite number.
        message: one sentence.
        try_next: the overrides to try, and why, in one sentence.
    """

    name: str
    step: int
    last_step: int
    figures: Mapping[str, float | None]
    message: str
    try_next: str

    def summary(self) -> dict[str, Any]:
        """As it stands in ``summary.json``."""
        entry = asdict(self)
        entry["try"] = entry.pop("try_next")
        return entry


@dataclass(frozen=True)
class Examination:
    """What one report came to.

    Attributes:
        scalars: tag -> value: ``diagnosis/<alarm>``, 1 while it lasts and 0 else, and figures that look back.
        raised: alarms that were raised just now.
        over: names of those that have ended.
    """

    scalars: Mapping[str, float]
    raised: Sequence[Alarm]
    over: Sequence[str]


class Doctor:
    """Looks at every report of a run."""

    def __init__(
        self,
        limits: DiagnosticsSection,
        symptoms: Sequence[Symptom],
        non_finite: NonFinite = NonFinite.stop,
    ) -> None:
        """``symptoms`` to look for.

        With ``non_finite`` skip, figures that are none are those of updates that were left out: no alarm of themselves.
        """
        self._limits = limits
        self._non_finite = non_finite
        self._symptoms = symptoms
        self._streaks: dict[str, float] = {}
        self._leads: list[float] = []
        self._gradients: list[float] = []
        self._peak = 0.0
        self.alarms: list[Alarm] = []

    def acts(self, alarm: Alarm) -> bool:
        """Whether more than a warning may come of it; always of a number that is not finite."""
        return alarm.name == NON_FINITE or bool(getattr(self._limits, alarm.name).acts)

    def examine(self, step: int, scalars: Mapping[str, float], trouble: str | None = None) -> Examination:
        """Look at the report of a step, and at the ``trouble`` with its numbers that was noticed, in words.

        Of numbers that are finite nothing is said where they were not looked at (``diagnostics.every=0``).
        """
        if not self._limits.every:
            return Examination({}, self._not_finite(step, scalars, trouble), [])
        found = self._looking_back(scalars)
        now = {**scalars, **found}
        raised, over = self._not_finite(step, scalars, trouble), []
        for symptom in self._symptoms:
            before = self._streaks.get(symptom.name, 0.0)
            if all(math.isfinite(now.get(tag, math.nan)) for tag in symptom.needs):
                shown = symptom.shows(now)
                self._streaks[symptom.name] = before + shown if shown else 0.0
            # Parts of reports add up to whole ones but for rounding.
            enough = symptom.patience - 1e-6
            lasting, lasted = self._streaks.get(symptom.name, 0.0) >= enough, before >= enough
            if lasting and not lasted:
                raised.append(_alarm(symptom, step, now))
                self.alarms.append(raised[-1])
            elif lasting:
                self._last_seen(symptom.name, step)
            elif lasted:
                over.append(symptom.name)
            found[f"diagnosis/{symptom.name}"] = float(lasting)
        found[f"diagnosis/{NON_FINITE}"] = float(any(alarm.name == NON_FINITE for alarm in raised))
        return Examination(found, raised, over)

    def add(self, alarm: Alarm, sentence: str) -> Alarm:
        """Add what was found out since to the message of an alarm."""
        index = self.alarms.index(alarm)
        self.alarms[index] = replace(alarm, message=f"{alarm.message}; {sentence}")
        return self.alarms[index]

    def _not_finite(self, step: int, scalars: Mapping[str, float], trouble: str | None) -> list[Alarm]:
        """The alarm of a number that is not finite: at once, whatever the thresholds."""
        bad = {tag: value for tag, value in scalars.items() if not math.isfinite(value)}
        if trouble is None and (not bad or self._non_finite is NonFinite.skip):
            return []
        rate = scalars.get("lr/g", USUAL_RATE)
        rate = rate if 0 < rate <= LARGEST_RATE else USUAL_RATE
        advice = Advice(f"optimizer.lr={rate / 4:.2g}", "smaller steps do not throw the weights so far")
        message = "; ".join([*([trouble] if trouble else []), *_bad_figures(bad)])
        alarm = Alarm(NON_FINITE, step, step, dict.fromkeys(bad), message, str(advice))
        self.alarms.append(alarm)
        return [alarm]

    def _looking_back(self, scalars: Mapping[str, float]) -> dict[str, float]:
        """Figures of several reports: the peak of the gradient, swing and turns of D's lead."""
        found: dict[str, float] = {}
        gradient = scalars.get("diagnosis/gradient", math.nan)
        if math.isfinite(gradient):
            self._gradients = [*self._gradients, gradient][-SMOOTHED:]
            self._peak = max(self._peak, median(self._gradients))
            found["diagnosis/gradient_peak"] = self._peak
        auc, reports = scalars.get("d/auc", math.nan), self._limits.oscillation.patience
        if math.isfinite(auc) and reports:
            self._leads = [*self._leads, 2 * auc - 1][-reports:]
            if len(self._leads) == reports and reports >= 3:
                found |= _swing(self._leads)
        return found

    def _last_seen(self, name: str, step: int) -> None:
        index = max(place for place, alarm in enumerate(self.alarms) if alarm.name == name)
        self.alarms[index] = replace(self.alarms[index], last_step=step)

    def state_dict(self) -> dict[str, Any]:
        """Streaks, what is looked back on, and the alarms so far."""
        return {
            "streaks": dict(self._streaks),
            "leads": list(self._leads),
            "gradients": list(self._gradients),
            "peak": self._peak,
            "alarms": [asdict(alarm) for alarm in self.alarms],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._streaks = dict(state["streaks"])
        self._leads, self._gradients = list(state["leads"]), list(state["gradients"])
        self._peak = float(state["peak"])
        self.alarms = [Alarm(**alarm) for alarm in state["alarms"]]


def _alarm(symptom: Symptom, step: int, now: Mapping[str, float]) -> Alarm:
    figures = {tag: now[tag] for tag in symptom.needs if not tag.startswith("lr/")}
    return Alarm(symptom.name, step, step, figures, symptom.says(now), str(symptom.advises(now)))


def _bad_figures(bad: Mapping[str, float]) -> list[str]:
    """The first of the figures that are not finite, and how many more there are, in words, if there are any."""
    more = f", and {len(bad) - 1} more figures are not finite" if len(bad) > 1 else ""
    return [f"{tag} is {value}{more}" for tag, value in list(bad.items())[:1]]


def _swing(leads: Sequence[float]) -> dict[str, float]:
    """Mean change from one of three leads or more to the next, and the share of changes that turn around."""
    changes = [after - before for before, after in pairwise(leads)]
    turns = [before * after < 0 for before, after in pairwise(changes)]
    return {
        "diagnosis/swing": sum(map(abs, changes)) / len(changes),
        "diagnosis/turns": sum(turns) / len(turns),
    }
