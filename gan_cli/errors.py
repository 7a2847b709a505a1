"""What a user can get wrong, and the exit status that says so. Anything else is a bug and shows its traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Characters of a wrong value that a message repeats.
LONGEST_VALUE = 300


class UserError(Exception):
    """A mistake or an event outside the program; reported in one clear message, without a traceback."""

    exit_status = 2


class ConfigError(UserError):
    """The command or the configuration is wrong."""


class OutputError(UserError):
    """A run directory or a picture cannot be written: no permission, a full disk."""


class DataError(UserError):
    """The data cannot be read or downloaded."""

    exit_status = 3


class DivergedError(UserError):
    """Training produced a number that is not finite."""

    exit_status = 4


class CompanionError(UserError):
    """Another of the processes that train a run together has gone."""

    exit_status = 1


class OutOfMemoryError(UserError):
    """The host or the device has not as much memory as the sizes ask for."""


def as_user_error(error: BaseException) -> UserError | None:
    """An error as a user is told of it, in one message; None where it is a bug."""
    if isinstance(error, UserError):
        return error
    # torch says of some allocations in words alone that they failed.
    worded = isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("allocate memory", "out of memory")
    )
    if isinstance(error, MemoryError) or worded:
        return OutOfMemoryError(f"not enough memory for these sizes: {(str(error).splitlines() or [''])[0]}")
    return None


class InvalidValueError(ValueError):
    """A value out of its range, raised where the value lives; ``build`` adds the path of its section.

    Attributes:
        key: name of the parameter, relative to its owner (``"start"``).
        value: what was given.
        allowed: what would have been right, in words (``"a number >= 0"``).
    """

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key}: expected {allowed}, got {shown(value)}")
        self.key = key
        self.value = value
        self.allowed = allowed

    def below(self, path: str) -> ConfigError:
        """The same mistake as a user sees it, with the full path of the key."""
        return ConfigError(f"{path}.{self}" if path else str(self))


def require(condition: bool, key: str, value: object, allowed: str) -> None:
    """Raise :class:`InvalidValueError` unless ``condition`` holds."""
    if not condition:
        raise InvalidValueError(key, value, allowed)


def shown(value: object) -> str:
    """A value as a message repeats it, and no more than its beginning where it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def nearest(word: str, candidates: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` with the candidate most like ``word``, or nothing when none is."""
    matches = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.5)
    return f" Did you mean '{matches[0]}'?" if matches else ""
