"""Which job of a sweep owns which directory: found again whenever, and by whatever process, the job is begun anew.

A directory's name does not tell: two jobs may have the same overrides, and a sweep that goes on with more steps would
name its directories otherwise. So every job is entered in ``.jobs/jobs.jsonl`` of the sweep's directory, once, before
anything is written. Imports no torch.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gan_cli.config.schema import may_change
from gan_cli.errors import ConfigError
from gan_cli.storage.files import writing
from gan_cli.storage.run_directory import candidate_paths


@dataclass(frozen=True)
class JobIdentity:
    """What makes a job the same job: its number, and the overrides that make its run what it is.

    Attributes:
        number: its place in the sweep, from 0.
        overrides: those that must not change when a run goes on, sorted.
    """

    number: int
    overrides: tuple[str, ...]

    @classmethod
    def from_overrides(cls, number: int, overrides: Sequence[str]) -> JobIdentity:
        """The identity of a job with these overrides, in any order."""
        return cls(number, tuple(sorted(item for item in overrides if not may_change(override_key(item)))))


@dataclass(frozen=True)
class JobEntry:
    """A job and its directory.

    Attributes:
        index: position in the ledger.
        identity: of the job.
        path: the directory.
        label: what a person knows it by: the overrides that differ between jobs.
    """

    index: int
    identity: JobIdentity
    path: Path
    label: str


@dataclass(frozen=True)
class JobRegistry:
    """The jobs of the sweep in ``sweep``, and the wish that no more of them begin."""

    sweep: Path

    @property
    def folder(self) -> Path:
        """``.jobs/``."""
        return self.sweep / ".jobs"

    @property
    def _file(self) -> Path:
        return self.folder / "jobs.jsonl"

    @property
    def _closed_marker(self) -> Path:
        return self.folder / "ended"

    def entries(self) -> list[JobEntry]:
        """All jobs that were ever begun, in that order; a line that a crash cut short was none.

        Raises:
            ConfigError: the ledger cannot be read.
        """
        try:
            lines = self._file.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(f"{self._file} cannot be read: {error.strerror}") from error
        entries = [entry for entry in map(_parse_line, lines) if entry is not None]
        return [
            JobEntry(index, identity, self.sweep / name, label) for index, (identity, name, label) in enumerate(entries)
        ]

    def register(self, identity: JobIdentity, wanted: Path, label: str) -> JobEntry:
        """The directory of a job: the one it has already, else ``wanted`` or the next free name like it.

        Raises:
            OutputError: it cannot be entered.
        """
        with writing(self._file):
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._file.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # two jobs of one name may begin at once
                _drop_torn_line(file)
                known = self.entries()
                for place in known:
                    if place.identity == identity:
                        return place
                taken = {place.path for place in known}
                path = next(path for path in candidate_paths(wanted) if path not in taken and not (path / ".hydra").exists())
                name = os.path.relpath(path, self.sweep)
                file.write(_format_line(identity, name, label))
                file.flush()
                os.fsync(file.fileno())
        return JobEntry(len(known), identity, self.sweep / name, label)

    @contextlib.contextmanager
    def locked(self, place: JobEntry) -> Iterator[None]:
        """Hold a job against a second process that would begin it too; a dead process holds nothing.

        Raises:
            ConfigError: another process has it.
        """
        lock = self.folder / f"{place.index}.lock"
        with writing(lock):
            file = lock.open("w")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigError(f"{place.path}: another process is training in this directory") from error
            yield

    def close(self, reason: str) -> None:
        """Let no more jobs begin, in whatever process."""
        with writing(self._closed_marker):
            self._closed_marker.write_text(f"{reason}\n")

    def reopen(self) -> None:
        """Let jobs begin again."""
        with writing(self._closed_marker):
            self._closed_marker.unlink(missing_ok=True)

    @property
    def closed(self) -> bool:
        """Whether no more jobs are to begin."""
        return self._closed_marker.exists()


def override_key(override: str) -> str:
    """``a.b`` of ``+a.b=1``."""
    return override.lstrip("+~").partition("=")[0]


def _format_line(identity: JobIdentity, name: str, label: str) -> bytes:
    entry = {"number": identity.number, "directory": name, "label": label, "overrides": identity.overrides}
    return f"{json.dumps(entry)}\n".encode()


def _parse_line(line: str) -> tuple[JobIdentity, str, str] | None:
    try:
        entry = json.loads(line)
        overrides = tuple(str(override) for override in entry["overrides"])
        return JobIdentity(int(entry["number"]), overrides), str(entry["directory"]), str(entry["label"])
    except (ValueError, KeyError, TypeError):
        return None


def _drop_torn_line(file: IO[bytes]) -> None:
    """Cut off what a process that died has left behind the last whole line."""
    file.seek(0)
    content = file.read()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        file.truncate(whole)
