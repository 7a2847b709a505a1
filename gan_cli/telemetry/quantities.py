"""Durations and sizes as a person says them. Imports no torch."""

from __future__ import annotations

MINUTE, HOUR, DAY = 60, 3600, 86_400
# Longer ones are shown without their smaller unit.
MAX_WITH_SECONDS, MAX_WITH_HOURS = 10 * MINUTE, 10 * DAY


def format_duration(seconds: float) -> str:
    """Return a duration in one or two units: ``42 s``, ``3 min 20 s``, ``12 min``, ``1 h 5 min``, ``2 d 3 h``."""
    whole = max(0, round(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return _units(whole, MINUTE, "min", 1, "s") if whole < MAX_WITH_SECONDS else f"{round(whole / MINUTE)} min"
    if whole < DAY:
        return _units(whole, HOUR, "h", MINUTE, "min")
    return _units(whole, DAY, "d", HOUR, "h") if whole < MAX_WITH_HOURS else f"{round(whole / DAY)} d"


def format_bytes(size: int) -> str:
    """Return a size in the largest unit of which there is at least one: ``1.5 GiB``."""
    power = min(max(0, (size.bit_length() - 1) // 10), 6)
    unit = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")[power]
    return f"{size:,} bytes" if power == 0 else f"{size / 1024**power:,.1f} {unit}"


def _units(seconds: int, large: int, large_name: str, small: int, small_name: str) -> str:
    """Return seconds in two units, of which the smaller is left out where there are none."""
    count, rest = divmod(round(seconds / small), large // small)
    return f"{count} {large_name}" + (f" {rest} {small_name}" if rest else "")
