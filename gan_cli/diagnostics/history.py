"""Metrics that span several reports: peaks of single metrics, and the oscillation of D's lead."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from gan_cli.storage.state_values import numbers

# A peak is taken over running medians of this many reports, so that a single spike does not set it.
SMOOTHING_WINDOW = 5
# Metrics whose peak alarm rules ask for, each with the keys of its latest values and of its peak in checkpoints.
PEAKS = {"diagnosis/gradient": ("gradients", "peak"), "diagnosis/modes": ("modes", "modes_peak")}


class History:
    """Metrics of earlier reports, as far as alarm rules depend on them."""

    def __init__(self, reports: int) -> None:
        """``reports`` is the number of latest reports over which oscillation is measured; 0: it is not."""
        self._reports = reports
        self._leads: list[float] = []
        self._recent: dict[str, list[float]] = {tag: [] for tag in PEAKS}
        self._peaks: dict[str, float] = dict.fromkeys(PEAKS, 0.0)

    def add(self, scalars: Mapping[str, float]) -> dict[str, float]:
        """Add the metrics of a report, and return those over several: ``<tag>_peak``, swing and turns."""
        return {**self._add_to_peaks(scalars), **self._add_lead(scalars.get("d/auc", math.nan))}

    def _add_to_peaks(self, scalars: Mapping[str, float]) -> dict[str, float]:
        measured = {tag: scalars[tag] for tag in PEAKS if math.isfinite(scalars.get(tag, math.nan))}
        for tag, value in measured.items():
            self._recent[tag] = [*self._recent[tag], value][-SMOOTHING_WINDOW:]
            self._peaks[tag] = max(self._peaks[tag], median(self._recent[tag]))
        return {f"{tag}_peak": self._peaks[tag] for tag in measured}

    def _add_lead(self, auc: float) -> dict[str, float]:
        if not (self._reports and math.isfinite(auc)):
            return {}
        self._leads = [*self._leads, 2 * auc - 1][-self._reports :]
        return swing_metrics(self._leads) if len(self._leads) == self._reports >= 3 else {}

    def state_dict(self) -> dict[str, Any]:
        """Return the latest values and the peaks."""
        state: dict[str, Any] = {"leads": list(self._leads)}
        for tag, (recent, peak) in PEAKS.items():
            state |= {recent: list(self._recent[tag]), peak: self._peaks[tag]}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state; those of earlier versions have fewer peaks."""
        self._leads = numbers(state["leads"])
        for tag, (recent, peak) in PEAKS.items():
            self._recent[tag], self._peaks[tag] = numbers(state.get(recent, [])), float(state.get(peak, 0.0))


def swing_metrics(leads: Sequence[float]) -> dict[str, float]:
    """Compute the mean absolute change between successive values, and the share of changes that reverse sign.

    Args:
        leads: 3 or more values of ``2 AUC - 1``, in order.
    """
    changes = [after - before for before, after in pairwise(leads)]
    turns = [before * after < 0 for before, after in pairwise(changes)]
    return {
        "diagnosis/swing": sum(map(abs, changes)) / len(changes),
        "diagnosis/turns": sum(turns) / len(turns),
    }
