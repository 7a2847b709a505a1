"""The file ``evaluations.jsonl`` of a run: a line for each checkpoint that was measured. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan_cli.storage.files import AppendOnlyFile, writing
from gan_cli.storage.json_files import parse_object
from gan_cli.storage.reading import read_lines


def append_evaluation(path: Path, evaluation: Mapping[str, Any]) -> None:
    """Append a line, completely or not at all; raises ``OutputError``."""
    with writing(path):
        file = AppendOnlyFile(path)
        try:
            file.write(f"{json.dumps(evaluation)}\n".encode())
        finally:
            file.close()


def read_evaluations(path: Path) -> list[dict[str, Any]]:
    """Read all lines that are objects, in their order; empty where there is no such file, or none that can be read."""
    try:
        lines = [line.decode(errors="replace") for line in read_lines(path)]
    except OSError:
        return []
    return [content for line in lines if (content := parse_object(line))]
