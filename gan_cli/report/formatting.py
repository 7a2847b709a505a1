"""Formatting of names and numbers for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

MISSING = "-"


def format_number(value: float) -> str:
    """Format a number with about four digits: ``0.1404``, ``1,500``, ``2e-04``."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}" if size < 1e7 else f"{value:.3g}"
    return "0" if size == 0 else f"{value:.4g}" if size >= 1e-3 else f"{value:.2e}"


def format_mean_and_deviation(mean: float, deviation: float | None) -> str:
    """Format ``0.140 ± 0.012``: the deviation with two digits, the mean with as many decimals."""
    if deviation is None:
        return format_number(mean)
    if deviation == 0:
        return f"{format_number(mean)} ± 0"
    digits = 1 - math.floor(math.log10(deviation))
    if digits > 6 or abs(mean) >= 1e7:
        return f"{format_number(mean)} ± {deviation:.1e}"
    return f"{mean:,.{max(digits, 0)}f} ± {deviation:,.{max(digits, 0)}f}"


def format_count(count: int, noun: str) -> str:
    """Format a count with its noun: ``1 run``, ``2 runs``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def join_words(words: Sequence[str]) -> str:
    """Join words: ``a``, ``a and b``, ``a, b and c``."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
