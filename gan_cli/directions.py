"""Which way a figure is to go: what is best of a run. Imports no torch."""

from __future__ import annotations

from gan_cli.evaluation.figures import MEANINGS

SIGNS = {"lower": -1, "higher": 1}


def direction(tag: str) -> int:
    """-1 where less is better, 1 where more is, 0 where neither is: of ``divergence/...`` and ``metrics/...``."""
    group, _, name = tag.partition("/")
    if group == "divergence":
        return 0 if name == "ceiling" else -1
    meaning = MEANINGS.get(name.partition("/")[0]) if group == "metrics" else None
    return 0 if meaning is None else SIGNS.get(meaning.better, 0)
