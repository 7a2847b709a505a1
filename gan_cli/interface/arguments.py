"""Arguments of methods: checked, and named in messages as they are called in Python. Imports no torch."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import SupportsIndex

from gan_cli.errors import ConfigError, DataError, did_you_mean, truncated_repr
from gan_cli.storage.checkpoint_choice import CheckpointChoice, NamedCheckpoint, parse_checkpoint_choice

# Largest seed: that of the configuration.
MAX_SEED = 2**63 - 1
# Options of commands, with which their messages name an argument: ``--label``.
OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")


def whole_number(name: str, value: SupportsIndex, least: int, most: int) -> int:
    """Return an argument as an integer of a range with both ends; raises ``ConfigError`` where it is none."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        raise ConfigError(f"{name}: expected an integer from {least:,} to {most:,}, got {truncated_repr(value)}")
    return number


def seed_number(name: str, value: SupportsIndex) -> int:
    """Return a seed; raises ``ConfigError`` where it is none."""
    return whole_number(name, value, 0, MAX_SEED)


def checkpoint_choice(value: str | int) -> CheckpointChoice:
    """Return which checkpoint ``"last"``, ``"best"`` or a step is; raises ``ConfigError`` where it is none of these."""
    try:
        return parse_checkpoint_choice(str(value), "checkpoint")
    except ConfigError as error:
        hint = did_you_mean(str(value), NamedCheckpoint.__members__)
        raise ConfigError(f"{error}.{hint}" if hint else str(error)) from None


def truncation_bound(value: float | None) -> float | None:
    """Return a bound of latents, or None without one; raises ``ConfigError`` where it is no number above 0."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigError(f"truncation: expected a number > 0, got {truncated_repr(value)}")
    return float(value)


def shown_path(path: Path) -> Path:
    """Return a path as a person reads it: relative where it lies below the working directory."""
    try:
        here = Path.cwd()
    except OSError:  # it has been removed
        return path
    return path.relative_to(here) if path.is_relative_to(here) else path


@contextmanager
def named_as_arguments() -> Iterator[None]:
    """Name the arguments of Python in errors of functions that commands share: ``label`` for ``--label``."""
    try:
        yield
    except (ConfigError, DataError) as error:
        renamed = OPTION.sub(lambda match: match[1].replace("-", "_"), str(error))
        if renamed == str(error):
            raise
        raise type(error)(renamed) from error
