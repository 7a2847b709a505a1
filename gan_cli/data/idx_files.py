"""Pairs of IDX files, found by the many spellings of their names: a file of images, and its labels beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_cli.errors import DataError, did_you_mean, printable
from gan_cli.storage.reading import read_text

IMAGE_WORDS, LABEL_WORDS = frozenset({"images", "image"}), frozenset({"labels", "label"})
TRAIN_WORDS, TEST_WORDS = frozenset({"train", "training"}), frozenset({"test", "testing", "t10k"})
# Words that say no more than that a file is of this format.
FORMAT_WORD = re.compile(r"ubyte|idx[0-9]?")
MAX_MAPPING_BYTES = 2**16
# Names that a message lists.
MAX_NAMES = 8


@dataclass(frozen=True)
class IdxPair:
    """A file of images, and its labels.

    Attributes:
        images: the file of images.
        labels: the file of labels; None where there is none.
        title: what is common to the names of all parts, such as ``emnist-letters``.
        is_test: True if its name says that it is the part to test with.
        is_train: True if its name says that it is the part to train on.
    """

    images: Path
    labels: Path | None
    title: str
    is_test: bool
    is_train: bool


def spellings(name: str) -> tuple[str, ...]:
    """Return the names by which a file of the MNIST family is distributed, of one as its publisher spells it.

    ``train-images-idx3-ubyte`` is also ``train-images.idx3-ubyte``, each gzipped as well, and in a folder of its name.
    """
    dotted = name.replace("-idx", ".idx")
    in_folders = (f"{name}/{name}", f"{name}/{dotted}", f"{dotted}/{dotted}")
    return (*in_folders, name, dotted, f"{name}.gz", f"{dotted}.gz")


def find_pairs(path: Path) -> list[IdxPair]:
    """Return the pair of a file of images, then the other parts of the same data; or the pairs in a folder.

    Raises:
        DataError: there is no such file or folder, or the folder holds no file of images, or those of several data.
    """
    try:
        if path.is_dir():
            pairs = _pairs(list(path.iterdir()))
            _require_one_title(path, pairs)
            return pairs
        beside = list(path.parent.iterdir()) if path.parent.is_dir() else []
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if path not in beside and not path.exists():
        raise DataError(f"there is no file {path}.{did_you_mean(path.name, [file.name for file in beside])}")
    own = _pair(path, beside)
    return [own, *(pair for pair in _pairs(beside) if pair.title == own.title and _key(pair.images) != _key(path))]


def read_mapping(folder: Path, title: str) -> dict[int, str]:
    """Return the characters that labels stand for, of the file ``TITLE-mapping.txt`` as EMNIST has it; else empty.

    Raises:
        DataError: the file cannot be read, or its lines are not a label and the codes of its characters.
    """
    path = folder / f"{title}-mapping.txt"
    try:
        if not title or not path.exists():
            return {}
        lines = read_text(path, MAX_MAPPING_BYTES).splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no text of labels and codes ({error})") from error
    return dict(_parse_line(path, number, line) for number, line in enumerate(lines, 1) if line.strip())


def _parse_line(path: Path, number: int, line: str) -> tuple[int, str]:
    try:
        label, *codes = map(int, line.split())
        characters = "".join(map(chr, codes))
    except (ValueError, OverflowError):
        characters = ""
    if not characters or not characters.isprintable():
        raise DataError(f"{path}: line {number}: expected a label and codes of characters, got {printable(line[:80])}")
    return label, characters


def _pairs(files: Sequence[Path]) -> list[IdxPair]:
    """Return a pair for each file of images, the unpacked one of several."""
    images = dict[tuple[str, ...], Path]()
    for file in sorted(files, key=lambda file: (file.name.endswith(".gz"), file.name)):
        words = _words(file)
        if IMAGE_WORDS & set(words) and any(map(FORMAT_WORD.fullmatch, words)) and not file.is_dir():
            images.setdefault(_key(file), file)
    return [_pair(file, files) for file in images.values()]


def _pair(images: Path, files: Sequence[Path]) -> IdxPair:
    words = _words(images)
    labels = [
        file
        for file in sorted(files, key=lambda file: (file.name.endswith(".gz"), file.name))
        if LABEL_WORDS & set(_words(file)) and _key(file) == _key(images) and not file.is_dir()
    ]
    title = [word for word in _key(images) if word not in TRAIN_WORDS | TEST_WORDS]
    return IdxPair(
        images,
        labels[0] if labels and IMAGE_WORDS & set(words) else None,
        "-".join(title),
        is_test=bool(TEST_WORDS & set(words)),
        is_train=bool(TRAIN_WORDS & set(words)),
    )


def _require_one_title(folder: Path, pairs: Sequence[IdxPair]) -> None:
    titles = sorted({pair.title for pair in pairs})
    if not pairs:
        raise DataError(
            f"{folder}: no IDX files of images there, such as train-images-idx3-ubyte; dataset.path=FILE reads one of"
            " any name"
        )
    if len(titles) > 1:
        listed = ", ".join(printable(title or "of no name") for title in titles[:MAX_NAMES])
        example = printable(pairs[0].images.name)
        raise DataError(f"{folder}: IDX files of several data ({listed}): dataset.path=FILE names one, as {example}")


def _key(file: Path) -> tuple[str, ...]:
    """Return the words of a name that images and labels have in common."""
    return tuple(
        word for word in _words(file) if word not in IMAGE_WORDS | LABEL_WORDS and not FORMAT_WORD.fullmatch(word)
    )


def _words(file: Path) -> list[str]:
    return re.split(r"[-_. ]+", file.name.lower().removesuffix(".gz"))
