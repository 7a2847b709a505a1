"""Which way a figure is to go: what is best of a run, what a table calls good. Imports no torch."""

from __future__ import annotations

# The first part of a metric's name: `frechet` of metrics/frechet/classifier.
LOWER = frozenset({"frechet", "fid", "kernel", "kid", "wasserstein", "class_kl", "modes_kl"})
HIGHER = frozenset({"precision", "recall", "density", "coverage", "modes", "high_quality"})


def direction(tag: str) -> int:
    """-1 where less is better, 1 where more is, 0 where neither is: of ``divergence/...`` and ``metrics/...``."""
    group, _, name = tag.partition("/")
    if group == "divergence":
        return 0 if name == "ceiling" else -1
    metric = name.partition("/")[0] if group == "metrics" else ""
    return 1 if metric in HIGHER else -1 if metric in LOWER else 0
