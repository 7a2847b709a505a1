"""Numbers and files on command lines: ranges with both ends, memory added up before it is taken, places that exist."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable
from pathlib import Path

from gan_cli.errors import MAX_VALUE_LENGTH, ConfigError

# Most samples that a command generates or compares: far above what metrics of the literature take.
MAX_SAMPLES = 1_000_000
# Largest seed: that of the configuration.
MAX_SEED = 2**63 - 1
# Digits of a number that is parsed at all.
MAX_DIGITS = 40


def integer(option: str, least: int, most: int) -> Callable[[str], int]:
    """Return an argparse type of integers in a range with both ends.

    Args:
        option: as the user writes it, for the message.
        least: the least value.
        most: the greatest value.
    """

    def parse(text: str) -> int:
        try:
            value = int(text) if len(text) <= MAX_DIGITS else None
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise ConfigError(f"{option}: expected an integer from {least:,} to {most:,}, got {_shown(text)}")
        return value

    return parse


def number(option: str, above: float, most: float) -> Callable[[str], float]:
    """Return an argparse type of numbers above one end, and up to the other."""

    def parse(text: str) -> float:
        value = finite_number(text)
        if value is None or not above < value <= most:
            raise ConfigError(f"{option}: expected a number > {above:g} and <= {most:g}, got {_shown(text)}")
        return value

    return parse


def finite_number(text: str) -> float | None:
    """Return the number that a text is, or None where it is none, or is not finite."""
    try:
        value = float(text) if len(text) <= MAX_DIGITS else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def require_memory(option: str, count: int, size: int, noun: str = "samples") -> None:
    """Check that samples fit in memory.

    Args:
        option: the option that says how many there are.
        count: how many there are.
        size: bytes that they take.
        noun: word for them.

    Raises:
        ConfigError: they do not.
    """
    from gan_cli.data.memory import data_memory

    if size > data_memory():
        raise ConfigError(
            f"{option}: {count:,} {noun} take {size:,} bytes of memory, more than the {data_memory():,} for them here"
        )


def require_array_memory(option: str, file: Path) -> None:
    """Check that the array in a file fits in memory, as it is read and as float32; whoever reads it finds other faults.

    Raises:
        ConfigError: it does not.
    """
    with contextlib.suppress(OSError, ValueError):
        size = file.stat().st_size
        require_memory(option, size // 4, 4 * size, "numbers")


def require_output_file(option: str, file: Path | None) -> None:
    """Check before anything is computed that a file can be written.

    Raises:
        ConfigError: a folder is in its place, or a file in that of a folder above it, or nothing can be written there.
    """
    if file is None:
        return
    if os.path.isdir(file):  # noqa: PTH112 - Path.is_dir() raises for a file in a folder without rights
        raise ConfigError(f"{option}: expected a file, got {str(file)!r}, which is a folder")
    require_output_folder(option, file.parent)


def require_output_folder(option: str, folder: Path | None) -> None:
    """Check before anything is computed that a folder is one, or can be made, and can be written.

    Raises:
        ConfigError: it cannot.
    """
    if folder is None:
        return
    found = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not os.path.isdir(found):  # noqa: PTH112
        raise ConfigError(f"{option}: expected a folder, got {str(folder)!r}: {found} is none")
    if not os.access(found, os.W_OK | os.X_OK):
        raise ConfigError(f"{option}: cannot write below {found}: no permission")


def _shown(text: str) -> str:
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}..."
