"""Errors that a user can cause or meet, with their exit statuses. Any other exception is a bug with a traceback."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
from collections.abc import Iterable, Iterator
from types import TracebackType

# Length in characters to which a message shortens a wrong value.
MAX_VALUE_LENGTH = 300
# Length in characters to which a whole message is shortened: room for a few lists of names, whatever a library repeats.
MAX_LINE_LENGTH = 1900
# Fewest letters that may stand for a word that begins with them; share of common letters that makes two words close.
SHORTEST_PREFIX, CLOSE = 3, 0.6
# Closeness, at least, of a word to a name that it is the beginning of.
BEGINNING = 0.9
# Joiners inside words of Persian and of many Indian languages, and inside emoji: not printable for Python.
JOINERS = "\u200c\u200d"


class UserError(Exception):
    """A mistake of the user or an event outside the program, reported in one clear message without a traceback.

    Its text is one printable line of at most :data:`MAX_LINE_LENGTH` characters, whatever keys, names and paths the
    message repeats.
    """

    exit_status = 2

    def __str__(self) -> str:
        return _line(super().__str__())


class ConfigError(UserError):
    """A command or a configuration that is wrong."""


class SeveralMistakesError(ConfigError):
    """Several mistakes, a line for each; made by :class:`Mistakes`."""

    def __str__(self) -> str:
        return "\n".join(map(_line, self.args))


class Mistakes:
    """Collects the mistakes of independent checks; its ``with`` block ends in a ``ConfigError`` that lists them all."""

    def __init__(self) -> None:
        self._errors: list[ConfigError] = []

    def __enter__(self) -> Mistakes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None and self._errors:
            raise SeveralMistakesError(*_lines(self._errors)) from self._errors[0]

    @contextlib.contextmanager
    def collect(self) -> Iterator[None]:
        """Keep a ``ConfigError`` of the block for later."""
        try:
            yield
        except ConfigError as error:
            self._errors.append(error)


def _lines(errors: Iterable[ConfigError]) -> Iterator[str]:
    """Yield the lines of all errors, of which one may be of several mistakes itself."""
    for error in errors:
        yield from error.args if isinstance(error, SeveralMistakesError) else [str(error)]


class OutputError(UserError):
    """A file or folder that cannot be written, for want of permission or of space on the disk."""


class DataError(UserError):
    """Training data that cannot be read or downloaded, or a hub of models that cannot be reached."""

    exit_status = 3


class DivergedError(UserError):
    """Training that produced a number that is not finite, or was stopped by an alarm."""

    exit_status = 4


class WorkerLostError(UserError):
    """Another process of a distributed run has ended."""

    exit_status = 1


class OutOfMemoryError(UserError):
    """Sizes that need more memory than the host or the device has."""


# What a machine answers, for want of room, rights or descriptors, whatever the program does.
ENVIRONMENT_ERRNOS = frozenset(
    getattr(errno, name)
    for name in (
        *("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "ENAMETOOLONG", "ELOOP", "ENOTDIR", "ESTALE"),
        *("EMFILE", "ENFILE", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN"),
    )
    if hasattr(errno, name)
)


def as_user_error(error: BaseException) -> UserError | None:
    """Return an error as the :class:`UserError` to report, or None where it is a bug."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError) and (error.errno in ENVIRONMENT_ERRNOS or _without_folder(error)):
        return OutputError(_os_error_message(error))
    if isinstance(error, ImportError) and os.strerror(errno.EMFILE) in str(error):  # a library that cannot be opened
        return OutputError(os.strerror(errno.EMFILE))
    # torch raises a plain RuntimeError for some failed allocations; only its message tells.
    failed_allocation = isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("allocate memory", "out of memory", "bad_alloc", "ALLOC_FAILED")
    )
    if isinstance(error, MemoryError) or failed_allocation:
        return OutOfMemoryError(f"not enough memory for these sizes: {(str(error).splitlines() or [''])[0]}")
    return None


def _without_folder(error: OSError) -> bool:
    """Return whether the working directory has been removed; ``os.getcwd`` names no file in its error."""
    return isinstance(error, FileNotFoundError) and error.filename is None


def _os_error_message(error: OSError) -> str:
    if _without_folder(error):
        return "the working directory is gone"
    reason = error.strerror or str(error)
    if error.filename is None:  # of an open file: of the output, where nothing else has been written
        return f"cannot write: {reason}" if error.errno in (errno.ENOSPC, errno.EFBIG) else reason
    return f"{reason}: {truncated_repr(error.filename)}"


class InvalidValueError(ValueError):
    """A value out of its range, raised by the class that owns it; :meth:`with_path` adds the path of its section.

    Attributes:
        key: name of the parameter, relative to its owner (``"start"``).
        value: the wrong value.
        allowed: description of the right values (``"a number >= 0"``).
    """

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key}: expected {allowed}, got {truncated_repr(value)}")
        self.key = key
        self.value = value
        self.allowed = allowed

    def with_path(self, path: str) -> ConfigError:
        """Return the error to report, with the full path of the key.

        Args:
            path: of the section that holds the key (``"loss"``); empty for the top level.
        """
        return ConfigError(f"{path}.{self}" if path else str(self))


def require(condition: bool, key: str, value: object, allowed: str) -> None:
    """Raise :class:`InvalidValueError` unless ``condition`` holds."""
    if not condition:
        raise InvalidValueError(key, value, allowed)


def printable(foreign: object) -> str:
    """Return foreign text with each character that does not print escaped as in ``repr``: ``\\x1b``, ``\\n``.

    A terminal would obey an escape sequence, and a line break would begin a line that looks like one of the program.
    Letters of all languages stay as they are; lone surrogates, which cannot be encoded, do not.

    Args:
        foreign: a text, or what ``str`` makes one of, such as a path.
    """
    text = str(foreign)
    return text if text.isprintable() else "".join(map(_printable_character, text))


def _line(message: object) -> str:
    """Return a message as one printable line of bounded length."""
    return truncate_middle(printable(message), MAX_LINE_LENGTH)


def _printable_character(character: str) -> str:
    if character.isprintable() or character in JOINERS:
        return character
    if "\udc80" <= character <= "\udcff":  # stands for a byte of a file name that is no UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return repr(character)[1:-1]


def truncated_repr(value: object) -> str:
    """Return ``repr(value)``, cut off after :data:`MAX_VALUE_LENGTH` characters."""
    text = repr(value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}..."


def truncate_middle(text: str, length: int = MAX_VALUE_LENGTH) -> str:
    """Return a text of at most ``length`` characters: ``...`` stands for the middle of a longer one."""
    if len(text) <= length:
        return text
    tail = (length - len("...")) // 2
    return f"{text[: length - len('...') - tail]}...{text[-tail:]}"


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` with the candidate closest to ``word``, or an empty string when none is close."""
    meant = closest(word, candidates)
    return f" Did you mean '{meant}'?" if meant else ""


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that a misspelled word is closest to, or None when none is close.

    Case, hyphens and underscores do not count. A candidate that begins with the word is closer than one that merely
    shares letters with it.
    """
    found = [(closeness(word, each), each) for each in candidates]
    best, meant = max(found, key=lambda each: each[0], default=(0.0, ""))
    return meant if best >= CLOSE else None


def closeness(word: str, name: str) -> float:
    """Return how close a misspelled word is to a name, from 0 to 1; see :func:`closest`."""
    word = word[:MAX_VALUE_LENGTH]
    typed, known = letters(word), letters(name)
    if typed == known:
        return 1.0
    ratio = difflib.SequenceMatcher(None, word, name).ratio()
    begins = known.startswith(typed) and len(typed) >= SHORTEST_PREFIX
    return BEGINNING + (1 - BEGINNING) * ratio if begins else ratio


def letters(name: str) -> str:
    """Return a name in lower case, without hyphens and underscores: what is left of it in a hurry."""
    return name.lower().replace("-", "").replace("_", "")
