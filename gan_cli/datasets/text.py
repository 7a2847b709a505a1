"""A user's own text: one sentence a line, as tokens of a vocabulary built from the text itself."""

from __future__ import annotations

import logging
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from gan_cli.components.ranges import Count, Range, check_ranges
from gan_cli.data.memory import data_memory
from gan_cli.data.text_lines import is_text_encoding, read_text_lines
from gan_cli.datasets.base import expand_path, require_folder
from gan_cli.errors import DataError, did_you_mean, require
from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.data import MAX_WORD_LENGTH, Sequences

logger = logging.getLogger(__name__)

# The token that starts and ends a sentence and pads the rest; its word is the empty string, which no word of a text is.
END = 0
EMPTY = ""
UNKNOWN = "<unk>"
# Different words, before the rare ones are replaced: no language has more in a text that fits in memory.
MAX_WORDS = 2**22


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
    max_length: Annotated[int, Range(2, 1024)] = 32
    min_count: Count = 2
    most_words: Count | None = None
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        require(bool(self.path), "path", self.path, "a file with a sentence on each line (dataset.path=FILE)")
        expand_path("path", self.path or "")
        check_ranges(self)
        require(
            is_text_encoding(self.encoding), "encoding", self.encoding, "an encoding of text such as utf-8 or gb18030"
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
            DataError: there is no such file, its bytes are not of that encoding, it holds less than two sentences, no
                word is frequent enough, or it is longer, or has more words or sentences, than memory is for.
        """
        path = self._file()
        sentences = _Sentences(path, self.max_length)
        for line in read_text_lines(path, self.encoding):
            sentences.add(self.tokens.split_line(line))
        _check_count(path, len(sentences.lengths))
        _log_lines(path, sentences, self.max_length)
        words = self._vocabulary(path, sentences.counts)
        return Sequences(sentences.encode(words), words, END, self.tokens.separator)

    def require_files(self) -> None:
        self._file()

    def _file(self) -> Path:
        return _require_file(expand_path("path", self.path or "").absolute())

    def _vocabulary(self, path: Path, counts: Counter[str]) -> tuple[str, ...]:
        """Return the words: the end, ``<unk>`` where any word is replaced by it, and the frequent words."""
        # A text may come with its own rare words replaced.
        replaced = counts.pop(UNKNOWN, 0)
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        frequent = [word for word in ordered[: self.most_words] if counts[word] >= self.min_count]
        if not frequent:
            raise DataError(f"{path}: no word is seen {self.min_count} times; lower dataset.min_count")
        if (longest := max(map(len, frequent))) > MAX_WORD_LENGTH:
            raise DataError(
                f"{path}: a word of {longest:,} characters; expected {MAX_WORD_LENGTH:,} at most, with blanks between"
            )
        rare = len(ordered) - len(frequent)
        if rare:
            share = 1 - sum(counts[word] for word in frequent) / counts.total()
            logger.info(
                "%s: %d rare words of %d are %s, %.1f%% of the text", path, rare, len(ordered), UNKNOWN, 100 * share
            )
        return (EMPTY, *([UNKNOWN] if rare or replaced else []), *frequent)


def _require_file(path: Path) -> Path:
    """Return the path of a file if it exists.

    Raises:
        DataError: there is none; suggests the most similar name.
    """
    try:
        if path.is_file():
            return path
        if path.is_dir():
            raise DataError(f"{path}: a folder; expected a file")
        if path.exists():
            raise DataError(f"{path}: no ordinary file")
        siblings = [sibling.name for sibling in require_folder(path.parent).iterdir() if sibling.is_file()]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    raise DataError(f"{path}: there is no such file.{did_you_mean(path.name, siblings)}")


class _Sentences:
    """Sentences in little memory: each token is the number of its word, in the order in which words are first seen.

    Attributes:
        counts: occurrences of each word, in that order, in sentences as long as they are.
        lengths: tokens of each sentence, truncated.
        blank: lines without a sentence.
        truncated: sentences that are longer than the maximum.
    """

    def __init__(self, path: Path, max_length: int) -> None:
        self.counts: Counter[str] = Counter()
        self.lengths = array("i")
        self.blank = self.truncated = 0
        self._path = path
        self._max_length = max_length
        self._max_count = data_memory() // (max_length * np.dtype(np.int64).itemsize)
        self._numbers: defaultdict[str, int] = defaultdict(count().__next__)
        self._tokens = array("i")

    def add(self, words: Sequence[str]) -> None:
        """Add a sentence, or count a blank line.

        Raises:
            DataError: there are more sentences or words than memory is for.
        """
        if not words:
            self.blank += 1
            return
        self.counts.update(words)
        self.truncated += len(words) > self._max_length
        kept = words[: self._max_length]
        self._tokens.extend(map(self._numbers.__getitem__, kept))
        self.lengths.append(len(kept))
        if len(self.counts) > MAX_WORDS:
            raise DataError(
                f"{self._path}: more than {MAX_WORDS:,} different words; dataset.tokens=characters has fewer"
            )
        if len(self.lengths) > self._max_count:
            raise DataError(
                f"{self._path}: more than {self._max_count:,} sentences of {self._max_length} tokens, which this"
                " machine has no memory for; a smaller dataset.max_length allows more"
            )

    def encode(self, words: Sequence[str]) -> IntArray:
        """Return tokens ``(N, max_length)``: the index of each word, or of ``<unk>``, padded with the end."""
        indices = {word: index for index, word in enumerate(words)}
        unknown = indices.get(UNKNOWN, END)
        index_of = np.array([indices.get(word, unknown) for word in self._numbers], np.int64)
        tokens = np.full((len(self.lengths), self._max_length), END, np.int64)
        filled = np.arange(self._max_length) < np.array(self.lengths)[:, None]
        tokens[filled] = index_of[np.array(self._tokens)]
        return tokens


def _check_count(path: Path, count: int) -> None:
    if count == 0:
        raise DataError(f"{path}: holds no sentence; expected one on each line")
    if count == 1:
        raise DataError(f"{path}: holds one sentence only; expected one on each line, and two or more")


def _log_lines(path: Path, sentences: _Sentences, longest: int) -> None:
    """Log the number of sentences, of blank lines left out and of truncated sentences."""
    count = len(sentences.lengths)
    logger.info("%s: %d sentences, %d blank lines left out", path, count, sentences.blank)
    if sentences.truncated:
        logger.warning(
            "%s: %d of %d lines are longer than dataset.max_length=%d tokens and were cut",
            path,
            sentences.truncated,
            count,
            longest,
        )
