"""Tables of labels in files: the names of files and the fields beside them, as text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from gan_cli.data.image_files import SUFFIXES
from gan_cli.errors import DataError, printable, truncated_repr
from gan_cli.storage.reading import read_bytes

DELIMITERS = {".csv": ",;\t", ".tsv": "\t"}
ALLOWED = "a file that ends with .csv, .tsv or .json"
# Longest name of a file or of a label, in characters; checkpoints have no longer ones.
MAX_FIELD = 1000


@dataclass(frozen=True)
class LabelRows:
    """Fields of each file of a table of labels, as they are written there.

    Attributes:
        files: names, each once.
        fields: of each file, as text.
        columns: names of the fields; None: they have none.
    """

    files: Sequence[str]
    fields: Sequence[tuple[str, ...]]
    columns: tuple[str, ...] | None

    @property
    def is_table(self) -> bool:
        """True if all files have the same number of fields, one at least."""
        return len(self.fields[0]) > 0 and len({len(fields) for fields in self.fields}) == 1

    @property
    def is_one_column(self) -> bool:
        """True if each file has exactly one field beside its name."""
        return self.is_table and len(self.fields[0]) == 1

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the fields, or ``label 1`` and so on; of a table."""
        count = len(self.fields[0])
        if self.columns is not None and len(self.columns) == count:
            return self.columns
        return ("label",) if count == 1 else tuple(f"label {number}" for number in range(1, count + 1))


def read_rows(path: Path, limit: int) -> LabelRows:
    """Read the fields of each file.

    Args:
        path: of the table.
        limit: its greatest length in bytes.

    Raises:
        DataError: the table cannot be read, is no text in UTF-8, has no files, rows of different lengths or two
            different labels for a file.
    """
    suffix = path.suffix.lower()
    if suffix not in (*DELIMITERS, ".json"):
        raise DataError(f"{path}: expected a table of labels: {ALLOWED}")
    try:
        text = read_bytes(path, limit).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no text in UTF-8 (byte {error.start:,})") from error
    try:
        columns, pairs = _parse_json(text) if suffix == ".json" else _parse_text(text, DELIMITERS[suffix])
        fields = _by_file(pairs)
    except (ValueError, csv.Error, RecursionError) as error:
        raise DataError(f"{path}: {printable(str(error)).splitlines()[0] or type(error).__name__}") from error
    if not fields:
        raise DataError(f"{path}: no labels; expected a line for each file: its name, then its label")
    return LabelRows(tuple(fields), tuple(fields.values()), columns)


def _by_file(pairs: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """Return the fields of each file; raises ``ValueError`` for two that differ, and for names that are none."""
    fields: dict[str, tuple[str, ...]] = {}
    for name, each in pairs:
        file = relative_name(name)
        if not file or len(file) > MAX_FIELD or any(len(field) > MAX_FIELD for field in each):
            raise ValueError(f"expected the name of a file and its label, got {truncated_repr(name)}")
        if fields.setdefault(file, each) != each:
            raise ValueError(f"two labels for {printable(file)}: {_shown(fields[file])} and {_shown(each)}")
    return fields


def relative_name(name: str) -> str:
    """Return a name of a file as a relative path with ``/`` between its parts, without ``./`` before it."""
    return name.strip().replace("\\", "/").removeprefix("./")


def _shown(fields: Sequence[str]) -> str:
    return truncated_repr(fields[0] if len(fields) == 1 else list(fields))


def _parse_text(text: str, delimiters: str) -> tuple[tuple[str, ...] | None, list[tuple[str, tuple[str, ...]]]]:
    """Return the names of the columns, if the first line has such, and the name and the fields of each line."""
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    delimiter = next((each for each in delimiters if each in first), delimiters[0])
    rows = list(_rows(text, delimiter))
    if not rows:
        return None, []
    columns = None
    if not rows[0][1][0].lower().endswith(SUFFIXES):  # no picture: the names of the columns
        columns = tuple(name or f"label {number}" for number, name in enumerate(rows[0][1][1:], start=1))
        rows = rows[1:]
    width = max((len(fields) for _, fields in rows), default=0) if columns is None else 1 + len(columns)
    pairs = []
    for line, fields in rows:
        if len(fields) != width or width < 2:
            raise ValueError(
                f"line {line:,} has {len(fields)} fields, expected {max(2, width)}: a file, then its label"
            )
        pairs.append((fields[0], tuple(fields[1:])))
    return columns, pairs


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line that is not empty, and its fields."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    for fields in reader:
        stripped = [field.strip() for field in fields]
        if any(stripped):
            yield reader.line_num, stripped


def _parse_json(text: str) -> tuple[None, list[tuple[str, tuple[str, ...]]]]:
    """Return the name and the fields of each file of a JSON document."""
    content = json.loads(text, object_pairs_hook=_Pairs, parse_constant=_reject_constant)
    if isinstance(content, _Pairs) and [key for key, _ in content] == ["labels"]:
        content = content[0][1]
        if content is None:
            return None, []
    pairs = list(content) if isinstance(content, list) else None
    if pairs is None or not all(_is_pair(pair) for pair in pairs):
        raise ValueError('expected {"labels": [[file, label], ...]} or {file: label, ...}')
    return None, [(name, _json_fields(name, label)) for name, label in pairs]


class _Pairs(list[tuple[str, Any]]):
    """The entries of a JSON object, in which a key can stand twice."""


def _is_pair(pair: object) -> bool:
    return isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no finite number")


def _json_fields(name: str, label: object) -> tuple[str, ...]:
    """Return the label of a file as text: one field, or one for each entry of a list."""
    entries = label if isinstance(label, list) and not isinstance(label, _Pairs) else [label]
    fields = tuple(_TEXTS[type(entry)](entry) if type(entry) in _TEXTS else "" for entry in entries)
    if not all(type(entry) in _TEXTS for entry in entries):
        raise ValueError(f"the label of {printable(name)} is no word, number or list of such")
    return fields


# Text of each kind of entry; `True` and 1 are both that a label holds.
_TEXTS: dict[type, Callable[[Any], str]] = {str: str.strip, int: str, float: repr, bool: lambda entry: str(int(entry))}
