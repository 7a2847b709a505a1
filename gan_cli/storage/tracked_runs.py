"""``loggers.json`` of a run: the run of each tracker that it is logged to, and what that has received. No torch."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gan_cli.storage.files import write_atomic
from gan_cli.storage.json_files import mapping, read_object

MAX_NAME = 500


@dataclass(frozen=True)
class TrackedRun:
    """The run of a tracker that a run is logged to.

    Attributes:
        identity: by which the tracker finds it again.
        sent: kind of record -> the last step of which it has one.
    """

    identity: str
    sent: Mapping[str, int] = field(default_factory=dict)


class TrackedRuns:
    """The tracked runs of a run directory, by logger. Thread-safe."""

    def __init__(self, file: Path) -> None:
        """Read and write ``file``, which need not be there."""
        self._file = file
        self._lock = threading.Lock()

    def load(self, logger: str) -> TrackedRun | None:
        """Return the tracked run of a logger; None where there is none, or none that can be read.

        Raises:
            OSError: the file cannot be read.
        """
        entry = mapping(self._read().get(logger))
        identity, sent = entry.get("identity"), mapping(entry.get("sent"))
        if not isinstance(identity, str) or not identity.isprintable() or not 0 < len(identity) <= MAX_NAME:
            return None
        steps = {kind: step for kind, step in sent.items() if isinstance(step, int) and not isinstance(step, bool)}
        return TrackedRun(identity, steps)

    def store(self, logger: str, run: TrackedRun) -> None:
        """Store the tracked run of a logger; raises ``OSError``."""
        with self._lock:
            content = {**self._read(), logger: asdict(run)}
            write_atomic(self._file, f"{json.dumps(content, indent=2)}\n".encode())

    def _read(self) -> dict[str, object]:
        try:
            return read_object(self._file)
        except FileNotFoundError:
            return {}
