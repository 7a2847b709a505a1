"""Describe the processor that a benchmark runs on. Imports no torch."""

from __future__ import annotations

import platform
from pathlib import Path


def cpu_facts() -> dict[str, str]:
    """Return what Linux reports of the first processor; an empty mapping elsewhere."""
    listing = Path("/proc/cpuinfo")
    first = listing.read_text().split("\n\n")[0] if listing.exists() else ""
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def cpu_model() -> str:
    """Return the processor's model, or on other systems than Linux what ``platform`` knows."""
    return cpu_facts().get("model name") or platform.processor() or platform.machine()
