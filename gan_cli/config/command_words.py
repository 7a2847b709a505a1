"""Words of a command line that are no overrides, read as what they were meant as: ``--loss wgan``, ``loss = wgan``.

Pure text: what the keys and options are called is left to ``config/suggestions.py``. Imports no torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gan_cli.config import suggestions
from gan_cli.config.path_overrides import is_path_key
from gan_cli.errors import closest

# Flags of gan-train, most of which are Hydra's; those with a value take the next word.
WITH_VALUE = ("--config-dir", "--config-path", "--config-name", "--cfg", "--package", "--experimental-rerun")
SHORT_WITH_VALUE = ("-cd", "-cp", "-cn", "-c", "-p")
FLAGS = ("--multirun", "-m", "--run", "-r", "--resolve", "--version")
# Flags that print something, and take all other words as they like.
PRINTING = ("--help", "-h", "--hydra-help", "--info", "-i", "--shell-completion", "-sc")
COMMANDS = ("gan-train", "gan_cli", "train", "run", "fit", "start")
OVERRIDE = re.compile(r"[+~]{0,2}[\w$.@/:-]+=")
COLON = re.compile(r"([A-Za-z_][\w./]*):([^/\\].*)?")


@dataclass(frozen=True)
class Piece:
    """Some words of a command line, and what they were meant as.

    Attributes:
        typed: the words.
        meant: overrides or flags; the same as ``typed`` where these are right. None where it cannot be told.
    """

    typed: tuple[str, ...]
    meant: tuple[str, ...] | None

    @property
    def is_right(self) -> bool:
        return self.typed == self.meant


def read(arguments: Sequence[str]) -> list[Piece]:
    """Return the pieces of a command line of ``gan-train``."""
    if any(word.partition("=")[0] in PRINTING for word in arguments):
        return [Piece((word,), (word,)) for word in arguments]
    if arguments[:1] == ["help"]:
        return [Piece(tuple(arguments), ("--help", *arguments[1:]))]
    return list(_pieces(list(arguments)))


def _pieces(words: list[str]) -> Iterator[Piece]:
    while words:
        count, meant = _first(words)
        yield Piece(tuple(words[:count]), meant)
        del words[:count]


def _first(words: Sequence[str]) -> tuple[int, tuple[str, ...] | None]:
    """Return how many words the first piece has, and what it was meant as."""
    word, following = words[0], words[1:]
    if word in (*WITH_VALUE, *SHORT_WITH_VALUE):
        return 2, tuple(words[:2])
    if word in FLAGS or word.partition("=")[0] in WITH_VALUE or word.startswith("~"):
        return 1, (word,)
    if OVERRIDE.match(word) and not word.startswith("-"):
        return _override(word, following)
    name = _name(word)
    colon = COLON.fullmatch(name)
    if colon is not None and suggestions.is_key(colon[1]):
        if colon[2]:
            return 1, (f"{colon[1]}={colon[2]}",)
        name = colon[1]
    if "=" in name:  # --loss=wgan
        return 1, (name,)
    return _name_and_value(word, name, following)


def _name(word: str) -> str:
    """Return a word without the dashes of a flag, whose name has hyphens where a key has underscores."""
    if not word.startswith("-"):
        return word
    name, sign, value = word.lstrip("-").partition("=")
    return f"{name.replace('-', '_')}{sign}{value}"


def _override(word: str, following: Sequence[str]) -> tuple[int, tuple[str, ...] | None]:
    """Return an override, with the words that blanks have parted from it."""
    key, _, value = word.partition("=")
    if is_path_key(key) and value:  # which may have any characters
        parted = bool(following) and os.path.exists(f"{value} {following[0]}")  # noqa: PTH110 - raises for no name
        return (2, (f"{word} {following[0]}",)) if parted else (1, (word,))
    if value.startswith("="):  # loss==wgan
        return 1, (f"{key}={value.lstrip('=')}",)
    text, count = word, 0
    while count < len(following) and _is_unfinished(text) and not OVERRIDE.match(following[count]):
        text, count = f"{text}{following[count]}", count + 1
    return count + 1, (text.rstrip(",") if not _is_open(text) else text,)


def _is_unfinished(text: str) -> bool:
    return text.endswith(("=", ",")) or _is_open(text)


def _is_open(text: str) -> bool:
    return any(text.count(first) > text.count(last) for first, last in ("[]", "{}", "()"))


def _name_and_value(word: str, name: str, following: Sequence[str]) -> tuple[int, tuple[str, ...] | None]:
    """Return a name with the value in the words after it, or the meaning of the name alone."""
    if following[:1] == ["="] and len(following) > 1:  # loss = wgan
        return 3, (f"{name}={following[1]}",)
    if following and following[0].startswith("=") and len(following[0]) > 1:  # loss =wgan
        return 2, (f"{name}{following[0]}",)
    if name in COMMANDS:
        return 1, ()
    has_value = bool(following) and not OVERRIDE.match(following[0]) and not following[0].startswith("--")
    if has_value and suggestions.is_key(name):  # loss wgan
        return 2, (f"{name}={following[0]}",)
    if name == "version":
        return 1, ("--version",)
    meant = suggestions.for_word(name)
    if meant is not None:
        return 1, meant.overrides
    flag = closest(name, [known.strip("-") for known in (*WITH_VALUE, *FLAGS)]) if word.startswith("--") else None
    return 1, None if flag is None else (f"--{flag}",)
