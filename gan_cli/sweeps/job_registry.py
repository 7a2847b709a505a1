"""Registry of the jobs of a sweep and their directories, so that any process finds the directory of a job again.

The name of a directory is not enough: two jobs may have the same overrides, and a sweep that is continued with more
steps would name its directories differently. So every job is entered in ``.jobs/jobs.jsonl`` of the sweep's directory,
once, before anything else is written. Imports no torch.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from gan_cli.config.schema import may_change
from gan_cli.errors import ConfigError, truncated_repr
from gan_cli.storage import locks
from gan_cli.storage.files import fsync, write_atomic, writing
from gan_cli.storage.reading import MIB, open_for_writing, read_lines
from gan_cli.storage.run_directory import candidate_paths

# Far above the entries of the largest sweep.
MAX_REGISTRY_BYTES, MAX_ENTRY_BYTES = 256 * MIB, MIB
# Of a file's name on any file system, and of folders in each other.
MAX_NAME_BYTES, MAX_PARTS = 255, 8


@dataclass(frozen=True)
class JobIdentity:
    """Identity of a job when a sweep is continued: its number, and the overrides that must not change.

    Attributes:
        number: position in the sweep, from 0.
        overrides: those that must not change when a run is resumed, sorted.
    """

    number: int
    overrides: tuple[str, ...]

    @classmethod
    def from_overrides(cls, number: int, overrides: Sequence[str]) -> JobIdentity:
        """Return the identity of a job with these overrides, in any order."""
        return cls(number, tuple(sorted(item for item in overrides if not may_change(override_key(item)))))


@dataclass(frozen=True)
class JobEntry:
    """Entry of a job in the registry.

    Attributes:
        index: position in the registry.
        identity: of the job.
        path: its directory.
        label: the overrides that differ between jobs, for messages.
    """

    index: int
    identity: JobIdentity
    path: Path
    label: str


@dataclass(frozen=True)
class JobRegistry:
    """Jobs of the sweep in the directory ``sweep``, and a marker that no more of them are to start."""

    sweep: Path

    @property
    def folder(self) -> Path:
        """Folder ``.jobs/`` of the sweep's directory."""
        return self.sweep / ".jobs"

    @property
    def _file(self) -> Path:
        return self.folder / "jobs.jsonl"

    @property
    def _closed_marker(self) -> Path:
        return self.folder / "ended"

    def entries(self) -> list[JobEntry]:
        """Read all jobs that ever started, in that order; a line that a crash cut short does not count.

        Raises:
            ConfigError: the registry cannot be read.
        """
        try:
            lines = list(read_lines(self._file, MAX_REGISTRY_BYTES, MAX_ENTRY_BYTES))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(f"{self._file} cannot be read: {error.strerror}") from error
        entries = [entry for entry in map(_parse_line, lines) if entry is not None]
        return [
            JobEntry(index, identity, self.sweep / name, label) for index, (identity, name, label) in enumerate(entries)
        ]

    def reject_other_job(self, identity: JobIdentity) -> None:
        """Reject a job that was another one when the sweep began, with other values of the environment say.

        Raises:
            ConfigError: the registry has a job of this number with other overrides.
        """
        known = [entry.identity for entry in self.entries() if entry.identity.number == identity.number]
        if known and identity not in known:
            was, now = known[0].overrides, identity.overrides
            raise ConfigError(
                f"job {identity.number} of {self.sweep} began with {_without(was, now)}, and would have"
                f" {_without(now, was)} now: begin another sweep, or restore what has changed"
            )

    def renumber(self, jobs: Sequence[JobIdentity]) -> None:
        """Give all entries the numbers that their jobs have in a sweep that has grown; nothing if any is not in it.

        Of jobs with equal overrides, each keeps its place among them.

        Args:
            jobs: those of the sweep as it is now.

        Raises:
            ConfigError: the registry cannot be read.
            OutputError: it cannot be written.
        """
        entries = self.entries()
        numbers: dict[tuple[str, ...], list[int]] = {}
        for job in sorted(jobs, key=lambda job: job.number, reverse=True):
            numbers.setdefault(job.overrides, []).append(job.number)
        found: dict[int, JobIdentity] = {}
        for entry in sorted(entries, key=lambda entry: entry.identity.number):
            left = numbers.get(entry.identity.overrides)
            if not left:
                return
            found[entry.index] = replace(entry.identity, number=left.pop())
        if all(found[entry.index] == entry.identity for entry in entries):
            return
        lines = [
            _format_line(found[entry.index], os.path.relpath(entry.path, self.sweep), entry.label) for entry in entries
        ]
        with writing(self._file), locks.lock(self.folder / "jobs.lock"):
            write_atomic(self._file, b"".join(lines))

    def register(self, identity: JobIdentity, wanted: Path, label: str) -> JobEntry:
        """Return the entry of a job; a new one gets the directory ``wanted``, or the next free name like it.

        Raises:
            ConfigError: ``wanted`` is no folder below the sweep's directory.
            OutputError: the registry cannot be written.
        """
        if not _is_inside(os.path.relpath(wanted, self.sweep)):
            raise ConfigError(
                f"hydra.sweep.subdir: expected a folder below hydra.sweep.dir, got {truncated_repr(str(wanted))}"
            )
        with writing(self._file):
            self.folder.mkdir(parents=True, exist_ok=True)
            # Two jobs of one name may start at once. Windows reads no file that is locked, so the lock is another one.
            lock = locks.lock(self.folder / "jobs.lock")
            with lock, open_for_writing(self._file, os.O_CREAT | os.O_APPEND) as file:
                known = self.entries()  # before the file is read whole: this one bounds its length
                _drop_torn_line(file)
                for entry in known:
                    if entry.identity == identity:
                        return entry
                used = {entry.path for entry in known}
                path = next(
                    path for path in candidate_paths(wanted) if path not in used and not (path / ".hydra").exists()
                )
                name = os.path.relpath(path, self.sweep)
                file.write(_format_line(identity, name, label))
                fsync(file)
        return JobEntry(len(known), identity, self.sweep / name, label)

    @contextlib.contextmanager
    def locked(self, entry: JobEntry) -> Iterator[None]:
        """Lock a job against other processes that would run it too; the lock of a dead process is released.

        Raises:
            ConfigError: another process holds the lock.
        """
        path = self.folder / f"{entry.index}.lock"
        with writing(path):
            file = locks.try_lock(path)
        if file is None:
            raise ConfigError(f"{entry.path}: another process is training in this directory")
        with file:
            yield

    def close(self, reason: str) -> None:
        """Prevent any process from starting more jobs.

        Args:
            reason: kept in the marker's file, for a person.
        """
        with writing(self._closed_marker):
            write_atomic(self._closed_marker, f"{reason}\n".encode(errors="replace"))

    def reopen(self) -> None:
        """Allow jobs to start again."""
        with writing(self._closed_marker):
            self._closed_marker.unlink(missing_ok=True)

    @property
    def closed(self) -> bool:
        """True where no more jobs are to start (:meth:`close`)."""
        return self._closed_marker.exists()


def _is_inside(name: str) -> bool:
    """Return whether a relative path is that of a folder below the folder to which it is relative."""
    path = Path(name)
    try:
        lengths = [len(os.fsencode(part)) for part in path.parts]
    except UnicodeEncodeError:
        return False
    fits = 0 < len(lengths) <= MAX_PARTS and max(lengths) <= MAX_NAME_BYTES
    return fits and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _without(overrides: Sequence[str], others: Sequence[str]) -> str:
    return ", ".join(item for item in overrides if item not in others) or "fewer overrides"


def override_key(override: str) -> str:
    """Return the key of an override: ``a.b`` of ``+a.b=1``."""
    return override.lstrip("+~").partition("=")[0]


def _format_line(identity: JobIdentity, name: str, label: str) -> bytes:
    entry = {"number": identity.number, "directory": name, "label": label, "overrides": identity.overrides}
    return f"{json.dumps(entry)}\n".encode()


def _parse_line(line: bytes) -> tuple[JobIdentity, str, str] | None:
    try:
        entry = json.loads(line)
        number, name, label, overrides = (entry[key] for key in ("number", "directory", "label", "overrides"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    # A registry may be of unknown origin.
    texts = [name, label, *overrides] if isinstance(overrides, list) else [None]
    if not isinstance(number, int) or not all(isinstance(text, str) for text in texts) or not _is_inside(name):
        return None
    # Earlier versions kept overrides that may change by now.
    return JobIdentity.from_overrides(number, overrides), name, label


def _drop_torn_line(file: IO[bytes]) -> None:
    """Truncate a file after its last complete line: a process may have died while it wrote the next one."""
    file.seek(0)
    content = file.read()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        file.truncate(end)
