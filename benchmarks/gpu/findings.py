"""Findings of all steps: a JSON object a line, on disk as soon as it is known. Imports no torch."""

from __future__ import annotations

import contextlib
import json
import os
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = "results.jsonl"  # below the results folder


@dataclass(frozen=True)
class Finding:
    """A result of a step.

    Attributes:
        step: name of the step.
        name: of the finding, unique in its step; a later one of the same name replaces an earlier one.
        right: whether it is as it should be; None: a measurement, of which that cannot be said.
        values: what was measured, by name.
        error: the error that ended it, in one line; empty where there was none.
    """

    step: str
    name: str
    right: bool | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Findings:
    """The results file, for the findings of one step.

    Attributes:
        folder: of the results.
        step: whose findings are added.
    """

    folder: Path
    step: str

    def add(
        self, name: str, right: bool | None = None, values: Mapping[str, Any] | None = None, error: str = ""
    ) -> None:
        """Append a finding, in a single write: several processes may do so at once."""
        line = json.dumps(asdict(Finding(self.step, name, right, values or {}, error)), default=str) + "\n"
        file = os.open(self.folder / RESULTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)
        print(line, end="", flush=True)

    @contextlib.contextmanager
    def keep_error(self, name: str) -> Iterator[None]:
        """Make a finding of an error in the block, which ends there; what follows runs all the same."""
        try:
            yield
        # Whatever goes wrong on a device that nobody has tried is what is looked for.
        except Exception as error:
            traceback.print_exc()
            self.add(name, False, error=one_line(error))


def one_line(error: BaseException) -> str:
    """Format type and first line of an error."""
    return f"{type(error).__name__}: {(str(error).strip() or '-').splitlines()[0][:200]}"


def read(folder: Path) -> dict[tuple[str, str], Finding]:
    """Read all findings by step and name, the latest of each; a line that a killed step left unfinished is skipped."""
    found = {}
    file = folder / RESULTS
    for line in file.read_text().splitlines() if file.exists() else []:
        with contextlib.suppress(json.JSONDecodeError):
            finding = Finding(**json.loads(line))
            found[finding.step, finding.name] = finding
    return found
