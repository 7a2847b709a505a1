"""Sentences that a run wrote, as a page shows them: the first few, and each no longer than a line or two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MOST_LINES = 8
LONGEST = 160
# More is not read: a file of samples is small, and a damaged one need not be.
MOST_BYTES = 2**16


@dataclass(frozen=True)
class Quote:
    """What a run wrote.

    Attributes:
        lines: sentences, shortened where they are long.
        name: of the file they come from.
    """

    lines: tuple[str, ...]
    name: str


def quoted(file: Path) -> Quote | None:
    """The beginning of a file of sentences; None where it cannot be read or says nothing."""
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return None
    lines = [line for line in text.splitlines() if line.strip()][:MOST_LINES]
    shortened = (line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}\u2026" for line in lines)
    return Quote(tuple(shortened), file.name) if lines else None
