"""Format what the benchmarks print: tables in Markdown, and the spread of repeated measurements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of several measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Summarize one measurement or more."""
        ordered = sorted(values)
        return cls(median(ordered), ordered[0], ordered[-1])

    def text(self, digits: int) -> str:
        """Format as ``median (low to high)``."""
        middle, low, high = (f"{value:,.{digits}f}" for value in (self.median, self.low, self.high))
        return f"{middle} ({low} to {high})"


def overhead(shares: Sequence[float]) -> tuple[str, str]:
    """Format the median of shares, and their first and third quartile, in percent."""
    low, _, high = quantiles(shares, n=4)
    return f"{median(shares):.1%}", f"{low:.1%} to {high:.1%}"


def row(cells: Sequence[object]) -> str:
    """Format one row of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def heading(cells: Sequence[object]) -> str:
    """Format the first two lines of a table: the names of its columns, and the rule below them."""
    return f"{row(cells)}\n|{'---|' * len(cells)}"
