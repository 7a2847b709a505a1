"""Checkpoints: atomic save and safe load of state dicts, whatever they contain."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gan_cli.errors import ConfigError, OutputError
from gan_cli.storage.files import fsync, replacing

logger = logging.getLogger(__name__)

LAST = "last.pt"
# Fragments of the messages by which torch reports that a file refers to code.
CODE = ("GLOBAL ", "unrecognized function", "unrecognized class")
NAME = re.compile(r"step_(\d{8,})\.pt")


def save(folder: Path, step: int, state: dict[str, Any], keep: int) -> Path:
    """Write ``step_XXXXXXXX.pt``, make ``last.pt`` the same file, and drop all but the latest ``keep``.

    The write is atomic: the file is complete or absent, whenever the process dies.

    Returns:
        The numbered file.

    Raises:
        OutputError: the file cannot be written (a full disk); older checkpoints stay as they are.
    """
    path = folder / f"step_{step:08d}.pt"
    write(path, state)
    try:
        with replacing(folder / LAST) as temporary:
            _link_or_copy(path, temporary)
        _fsync_folder(folder)
        for old in [other for other in _numbered(folder) if other != path][keep - 1 :]:
            old.unlink()
    except OSError as error:
        raise OutputError(f"cannot write checkpoint {path}: {_reason(error)}") from error
    return path


def write(path: Path, state: dict[str, Any]) -> None:
    """Write a state to a file atomically: it is complete or absent, whenever the process dies.

    Raises:
        OutputError: the file cannot be written (a full disk).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(state, file)
            fsync(file)
    # torch wraps a failed write of its zip archive in a RuntimeError.
    except (OSError, RuntimeError) as error:
        raise OutputError(f"cannot write checkpoint {path}: {_reason(error)}") from error


def load_latest(folder: Path) -> dict[str, Any]:
    """Return the state of the latest undamaged checkpoint; logs a warning for each damaged one.

    Raises:
        ConfigError: there is none, or one refers to code.
    """
    candidates = [path for path in (folder / LAST, *_numbered(folder)) if path.is_file()]
    if not candidates:
        raise ConfigError(f"no checkpoint in {folder}: nothing to continue from")
    for path in candidates:
        try:
            return load(path)
        except _DamagedError as error:
            logger.warning("checkpoint %s is damaged (%s); trying the one before", path, error)
    raise ConfigError(f"every checkpoint in {folder} is damaged: nothing to continue from")


def load_latest_accepted(folder: Path, accept: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    """Return the state of the latest undamaged numbered checkpoint that ``accept`` holds for; None without one.

    Raises:
        ConfigError: one refers to code.
    """
    for path in _numbered(folder):
        with contextlib.suppress(_DamagedError):
            state = load(path)
            if accept(state):
                return state
    return None


def delete_after(folder: Path, step: int) -> None:
    """Delete the checkpoints of steps after ``step``, to which a run has been rolled back.

    Raises:
        OutputError: one cannot be deleted.
    """
    try:
        for path in _numbered(folder):
            if _step(path) > step:
                path.unlink()
    except OSError as error:
        raise OutputError(f"cannot delete a checkpoint in {folder}: {_reason(error)}") from error


class _DamagedError(Exception):
    """The file is truncated or not a checkpoint."""


def load(path: Path) -> dict[str, Any]:
    """Load tensors and plain values from one file to the CPU; nothing in it is executed.

    Raises:
        ConfigError: the file refers to code.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                # torch does not compress, and a small compressed file could expand to fill the memory.
                if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                    raise _DamagedError("its parts are compressed")
                # torch does not verify the checksums of its archives.
                if (broken := archive.testzip()) is not None:
                    raise _DamagedError(f"{broken!r} has another checksum than it should")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        bare = path.read_bytes()[:1] == pickle.PROTO  # gan_cli writes archives, never a bare pickle
        if bare or any(words in str(error) for words in CODE):
            raise ConfigError(
                f"checkpoint {path} rejected: it holds more than tensors and plain values, and loading that could"
                " run code of its author's choice"
            ) from error
        raise _DamagedError(_reason(error)) from error
    except _DamagedError:
        raise
    except Exception as error:  # damaged bytes can raise anything
        raise _DamagedError(_reason(error)) from error
    if not isinstance(state, dict) or "step" not in state:
        raise _DamagedError("not a checkpoint of gan_cli")
    return state


def _numbered(folder: Path) -> list[Path]:
    """Return the numbered checkpoints of a folder, the latest first."""
    return sorted(filter(lambda path: NAME.fullmatch(path.name), folder.glob("step_*.pt")), key=_step, reverse=True)


def _step(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1])


def _link_or_copy(source: Path, target: Path) -> None:
    """Make a hard link to a file; a copy on file systems without hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _fsync_folder(folder: Path) -> None:
    """Make the renames in a folder durable across a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
