"""Facts of the machine. Imports no torch."""

from __future__ import annotations

import contextlib
import platform
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")


def processor_name() -> str:
    """Return the name of the CPU, as far as the system provides it."""
    with contextlib.suppress(OSError):
        for line in CPU_INFO.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
