"""Jobs of a sweep, counted before they are expanded, and the values that overrides may sweep over. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep, Sweep

from gan_cli.errors import ConfigError, truncated_repr

# Hydra composes all of them before the first is trained, which takes some 40 ms each.
MAX_JOBS = 10_000
# Ends of what a sweeper draws from: beyond, integers are no longer exact and the length of an interval overflows.
MAX_DRAWN_INTEGER, MAX_DRAWN_NUMBER = 2**53, 1e300


def count_jobs(overrides: Sequence[Override]) -> int:
    """Return the number of combinations of the values that overrides sweep over, of which none is expanded.

    Of several overrides of one key the last one counts, as for Hydra; those of intervals count as one value.

    Raises:
        ConfigError: there are more than :data:`MAX_JOBS`, or none, or an override sweeps over no proper list or range.
    """
    counts = {override.get_key_element(): count_values(override) for override in overrides}
    total = math.prod(counts.values())
    if total > MAX_JOBS:
        factors = " x ".join(f"{count:,} of {key}" for key, count in counts.items() if count > 1)
        raise ConfigError(f"expected a sweep of {MAX_JOBS:,} jobs at most, got {total:,}: {factors[:300]}")
    return total


def count_values(override: Override) -> int:
    """Return the number of values of an override: 1 unless it sweeps over a list, a range or the options of a group.

    Raises:
        ConfigError: there are none, or they are no proper list or range.
    """
    value: object = override.value()
    if isinstance(value, RangeSweep):
        count = _range_length(override, value)
    elif isinstance(value, ChoiceSweep):
        if any(isinstance(each, Sweep) for each in value.list):
            raise ConfigError(f"{_shown(override)}: expected one list of values, got lists, ranges or intervals in it")
        count = len(value.list)
    elif isinstance(value, Glob):
        count = sum(1 for _ in override.sweep_iterator())
    else:
        return 1
    if not count:
        raise ConfigError(f"{_shown(override)}: expected at least one value, got none")
    return count


def require_drawable(override: Override) -> None:
    """Reject an override from whose values a sweeper cannot draw any.

    Raises:
        ConfigError: an interval that goes downwards or is not positive on a logarithmic scale, a range that goes
            downwards, a list that is too long or that is not written out, or ends that are not finite.
    """
    value: object = override.value()
    if isinstance(value, IntervalSweep):
        _require_interval(override, value)
    elif isinstance(value, RangeSweep) and not value.shuffle:
        _require_increasing(override, value)
    elif isinstance(value, Glob):
        raise ConfigError(f"{_shown(override)}: expected the options by name (a,b,c), got a pattern")
    elif (count := count_values(override)) > MAX_JOBS:  # a sweeper writes them out
        raise ConfigError(f"{_shown(override)}: expected {MAX_JOBS:,} values at most, got {count:,}")


def _require_interval(override: Override, value: IntervalSweep) -> None:
    low, high = (_drawable_end(override, end) for end in (value.start, value.end))
    if low > high:
        raise ConfigError(f"{_shown(override)}: expected the lower end of an interval first")
    if "log" in value.tags and low <= 0:
        raise ConfigError(f"{_shown(override)}: expected ends above 0 on a logarithmic scale")


def _require_increasing(override: Override, value: RangeSweep) -> None:
    if _finite(override, value.step) <= 0:
        raise ConfigError(f"{_shown(override)}: expected a step above 0")
    for end in (value.start, value.stop):
        _drawable_end(override, end)
    count_values(override)


def _drawable_end(override: Override, end: float | None) -> Fraction:
    limit = MAX_DRAWN_INTEGER if isinstance(end, int) else MAX_DRAWN_NUMBER
    number = _finite(override, end)
    if abs(number) > limit:
        raise ConfigError(f"{_shown(override)}: expected ends up to {limit:,}")
    return number


def _range_length(override: Override, value: RangeSweep) -> int:
    start, stop, step = (_finite(override, each) for each in (value.start, value.stop, value.step))
    if not step:
        raise ConfigError(f"{_shown(override)}: expected a step other than 0")
    return max(0, math.ceil((stop - start) / step))


def _finite(override: Override, number: float | None) -> Fraction:
    if number is None or (isinstance(number, float) and not math.isfinite(number)):
        raise ConfigError(f"{_shown(override)}: expected finite numbers, got {number}")
    return Fraction(number)


def _shown(override: Override) -> str:
    return truncated_repr(override.input_line)
