"""The file ``threads.jsonl`` of a run: at which steps it changed its number of threads. Imports no torch.

Sums are rounded differently with another number of threads: a part of a run is repeated with the same changes. Most
runs never change it and have no such file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gan_cli.storage.files import replacing_durably
from gan_cli.storage.reading import MAX_JSON_BYTES, read_text

# More than any machine has; the threads of 100,000 end the process.
MAX_THREADS = 1024


@dataclass(frozen=True)
class ThreadChange:
    """A change of the number of threads, right after the report of a step.

    Attributes:
        step: updates made before it.
        before: number of threads until then.
        threads: number of threads from then on.
    """

    step: int
    before: int
    threads: int


def read(path: Path) -> list[ThreadChange]:
    """Read all changes in the order in which they were made; none where there is no file, or no complete one."""
    try:
        entries = [json.loads(line) for line in read_text(path, MAX_JSON_BYTES).splitlines()]
        changes = [ThreadChange(*(int(entry[name]) for name in ("step", "before", "threads"))) for entry in entries]
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return []
    counts = (count for change in changes for count in (change.before, change.threads))
    return changes if all(1 <= count <= MAX_THREADS for count in counts) else []


def stored_threads(state: Mapping[str, Any]) -> int:
    """Return the number of threads in the content of a checkpoint.

    Raises:
        LookupError, TypeError, ValueError: there is none, or not one that a machine could have.
    """
    threads = int(state["threads"])
    if not 1 <= threads <= MAX_THREADS:
        raise ValueError(f"threads: expected an integer from 1 to {MAX_THREADS:,}, got {threads}")
    return threads


def write(path: Path, changes: Sequence[ThreadChange]) -> None:
    """Write all changes, durably; raises ``OSError``."""
    with replacing_durably(path) as temporary:
        temporary.write_text("".join(f"{json.dumps(asdict(change))}\n" for change in changes))


def threads_at(changes: Sequence[ThreadChange], step: int, present: int) -> int:
    """Return the number of threads with which the update of number ``step`` was made.

    Args:
        changes: of the run, in their order.
        step: number of the update, counted from 0.
        present: number of threads at present, for a run without changes.
    """
    for change in changes:
        if step < change.step:
            return change.before
    return changes[-1].threads if changes else present
