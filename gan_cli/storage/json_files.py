"""JSON objects in the files of a run, which may be damaged or of unknown origin. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan_cli.storage.reading import MAX_JSON_BYTES, read_text


def read_object(file: Path) -> dict[str, Any]:
    """Read the JSON object of a file; empty where it holds none, such as half of one.

    Raises:
        OSError: the file cannot be read.
    """
    return _parse(_read(file)) or {}


def parse_object(text: str) -> dict[str, Any]:
    """Parse a JSON object; empty where the text is none."""
    return _parse(text) or {}


def mapping(node: object) -> Mapping[str, Any]:
    """Return a part of such an object as it is if it is an object itself; empty for anything else."""
    return node if isinstance(node, dict) else {}


def describe_damage(file: Path) -> str | None:
    """Return a clause that says why a file does not count; None where it is an object, or where there is no file."""
    try:
        return None if _parse(_read(file)) is not None else f"{file} is damaged: it is no JSON object"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"{file} cannot be read: {error.strerror or error}"


def _read(file: Path) -> str:
    return read_text(file, MAX_JSON_BYTES, errors="replace")


def _parse(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
