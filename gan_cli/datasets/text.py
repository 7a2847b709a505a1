"""A user's own text: one sentence a line, as tokens of a vocabulary built from the text itself."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import ClassVar

import numpy as np

from gan_cli.datasets.base import expand_path, require_folder
from gan_cli.errors import DataError, did_you_mean, require
from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.data import Sequences

logger = logging.getLogger(__name__)

# The token that starts and ends a sentence and pads the rest; its word is the empty string, which no word of a text is.
END = 0
EMPTY = ""
UNKNOWN = "<unk>"
# NUL, and unpaired surrogates, which some encodings accept: no text has them.
INVALID_CHARACTERS = re.compile("[\0\ud800-\udfff]")


class TokenUnit(Enum):
    """Unit that sentences are tokenized into."""

    words = "words"
    characters = "characters"

    @property
    def separator(self) -> str:
        """String that separates two tokens in text."""
        return " " if self is TokenUnit.words else ""

    def split_line(self, line: str) -> list[str]:
        """Split a line into tokens at white space; as characters, any run of white space becomes one blank."""
        words = line.split()
        return words if self is TokenUnit.words else list(" ".join(words))


@dataclass(frozen=True)
class Text:
    """A file of text with a sentence on each line; blank lines are left out.

    The vocabulary is ordered by frequency, then alphabetically, and taken from the whole file. Token 0 ends a sentence.

    Args:
        path: the file.
        tokens: unit that sentences are tokenized into: words as they are, case kept, or Unicode's code points.
        max_length: tokens of a sequence. A shorter sentence is padded with its end; one of just this length has no end,
            and a longer one is truncated.
        min_count: words that occur less often become ``<unk>``.
        most_words: number of the most frequent words to keep; all others become ``<unk>``; None: no limit.
        encoding: encoding of the file, as Python names it. A byte order mark is skipped.
    """

    licence: ClassVar[str] = "Your own text: whatever terms you hold it under."

    path: str | None
    tokens: TokenUnit = TokenUnit.words
    max_length: int = 32
    min_count: int = 2
    most_words: int | None = None
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        require(bool(self.path), "path", self.path, "a file with a sentence on each line (dataset.path=FILE)")
        expand_path("path", self.path or "")
        require(2 <= self.max_length <= 1024, "max_length", self.max_length, "an integer from 2 to 1024")
        require(self.min_count >= 1, "min_count", self.min_count, "an integer >= 1")
        require(
            self.most_words is None or self.most_words >= 1, "most_words", self.most_words, "an integer >= 1 or null"
        )
        require(
            _is_text_encoding(self.encoding), "encoding", self.encoding, "an encoding of text such as utf-8 or gb18030"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.max_length,)

    @property
    def classes(self) -> int:
        """The number of classes is 0: sentences have no labels."""
        return 0

    def coordinates(self, samples: FloatArray) -> FloatArray:
        """Return tokens ``(N, max_length)`` unchanged."""
        return samples

    def load(self) -> Sequences:
        """Load sentences in the order of their lines.

        Raises:
            DataError: there is no such file, its bytes are not of that encoding, it holds less than two sentences, or
                no word is frequent enough.
        """
        path = expand_path("path", self.path or "").absolute()
        lines = _read_lines(path, self.encoding)
        sentences = [tokens for tokens in map(self.tokens.split_line, lines) if tokens]
        _check_count(path, len(sentences))
        _log_lines(path, sentences, len(lines) - len(sentences), self.max_length)
        words = self._vocabulary(path, sentences)
        tokens = _encode([sentence[: self.max_length] for sentence in sentences], words, self.max_length)
        return Sequences(tokens, words, END, self.tokens.separator)

    def _vocabulary(self, path: Path, sentences: Iterable[Sequence[str]]) -> tuple[str, ...]:
        """Return the words: the end, ``<unk>`` where any word is replaced by it, and the frequent words."""
        counts = Counter(word for sentence in sentences for word in sentence)
        # A text may come with its own rare words replaced.
        replaced = counts.pop(UNKNOWN, 0)
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        frequent = [word for word in ordered[: self.most_words] if counts[word] >= self.min_count]
        if not frequent:
            raise DataError(f"{path}: no word is seen {self.min_count} times; lower dataset.min_count")
        rare = len(ordered) - len(frequent)
        if rare:
            share = 1 - sum(counts[word] for word in frequent) / counts.total()
            logger.info(
                "%s: %d rare words of %d are %s, %.1f%% of the text", path, rare, len(ordered), UNKNOWN, 100 * share
            )
        return (EMPTY, *([UNKNOWN] if rare or replaced else []), *frequent)


def _is_text_encoding(encoding: str) -> bool:
    """Return True for a text encoding of Python's that can skip invalid bytes, as is needed to locate them."""
    try:
        b"a".decode(encoding, "ignore")
    except (LookupError, ValueError):
        return False
    return True


def _read_lines(path: Path, encoding: str) -> list[str]:
    """Read the lines of a file, including blank ones, without their line ends."""
    content = _read_bytes(path)
    try:
        text = content.decode(encoding)
    except UnicodeError as error:
        line, character = _line_and_column(content[: getattr(error, "start", 0)].decode(encoding, "ignore"))
        raise DataError(
            f"{path}: line {line}, character {character}: bytes that are not {encoding}; dataset.encoding names another"
        ) from error
    text = text.removeprefix("\ufeff")
    invalid = INVALID_CHARACTERS.search(text)
    if invalid:
        line, character = _line_and_column(text[: invalid.start()])
        raise DataError(f"{path}: line {line}, character {character}: U+{ord(invalid[0]):04X}; expected a file of text")
    lines = _normalize_newlines(text).split("\n")
    return lines if lines[-1] else lines[:-1]


def _normalize_newlines(text: str) -> str:
    """Return text with Unix line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line_and_column(before: str) -> tuple[int, int]:
    """Return the line and the character in it, from 1 on, of the position that follows a text."""
    text = _normalize_newlines(before.removeprefix("\ufeff"))
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def _read_bytes(path: Path) -> bytes:
    """Read the bytes of a regular file.

    Raises:
        DataError: there is none; suggests the most similar name.
    """
    try:
        if path.is_file():
            return path.read_bytes()
        if path.is_dir():
            raise DataError(f"{path}: a folder; expected a file")
        if path.exists():
            raise DataError(f"{path}: no ordinary file")
        siblings = [sibling.name for sibling in require_folder(path.parent).iterdir() if sibling.is_file()]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    raise DataError(f"{path}: there is no such file.{did_you_mean(path.name, siblings)}")


def _check_count(path: Path, count: int) -> None:
    if count == 0:
        raise DataError(f"{path}: holds no sentence; expected one on each line")
    if count == 1:
        raise DataError(f"{path}: holds one sentence only; expected one on each line, and two or more")


def _log_lines(path: Path, sentences: Sequence[Sequence[str]], blank: int, longest: int) -> None:
    """Log the number of sentences, of blank lines left out and of truncated sentences."""
    cut = sum(len(sentence) > longest for sentence in sentences)
    logger.info("%s: %d sentences, %d blank lines left out", path, len(sentences), blank)
    if cut:
        logger.warning(
            "%s: %d of %d lines are longer than dataset.max_length=%d tokens and were cut",
            path,
            cut,
            len(sentences),
            longest,
        )


def _encode(sentences: Sequence[Sequence[str]], words: Sequence[str], length: int) -> IntArray:
    """Return tokens ``(N, length)``: the index of each word, or of ``<unk>``, padded with the end."""
    numbers = {word: number for number, word in enumerate(words)}
    unknown = numbers.get(UNKNOWN, END)
    tokens = np.full((len(sentences), length), END, np.int64)
    for row, sentence in zip(tokens, sentences, strict=True):
        row[: len(sentence)] = [numbers.get(word, unknown) for word in sentence]
    return tokens
