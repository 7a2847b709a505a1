"""Checkpoints: atomic save and safe load of state dicts, whatever they contain."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from gan_cli.errors import ConfigError, OutputError
from gan_cli.storage.checkpoint_archive import DamagedCheckpointError, first_line, load
from gan_cli.storage.checkpoint_choice import CheckpointChoice, NamedCheckpoint, nearest_step
from gan_cli.storage.files import fsync, fsync_folder, replacing
from gan_cli.storage.run_directory import CHECKPOINT_NAME

logger = logging.getLogger(__name__)

LAST, BEST = "last.pt", "best.pt"


def save(folder: Path, step: int, state: dict[str, Any], keep: int, best_steps: Sequence[int] = ()) -> Path:
    """Write ``step_XXXXXXXX.pt``, make ``last.pt`` the same file, and drop all but the latest ``keep``.

    The write is atomic: the file is complete or absent, whenever the process dies.

    Args:
        folder: of the checkpoints.
        step: updates made so far.
        state: what the checkpoint holds.
        keep: how many of the latest checkpoints stay.
        best_steps: steps at which a checkpoint became the best one. The best one stays as well, and so does what was
            the best one at the time of each checkpoint that stays: a run that goes back to it has that one again.

    Returns:
        The numbered file.

    Raises:
        OutputError: the file cannot be written (a full disk); older checkpoints stay as they are.
    """
    path = folder / _file_name(step)
    write(path, state)
    try:
        with replacing(folder / LAST) as temporary:
            _link_or_copy(path, temporary)
        fsync_folder(folder)
        others = [other for other in _numbered(folder) if other != path]
        kept = [step, *map(_step, others[: keep - 1])]
        best = {max((each for each in best_steps if each < later), default=None) for later in kept}
        for old in others[keep - 1 :]:
            if _step(old) not in best:
                old.unlink()
    except OSError as error:
        raise OutputError(f"cannot write checkpoint {path}: {first_line(error)}") from error
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
        raise OutputError(f"cannot write checkpoint {path}: {first_line(error)}") from error


def load_latest(folder: Path) -> dict[str, Any]:
    """Return the state of the latest undamaged checkpoint; logs a warning for each damaged one.

    Raises:
        ConfigError: there is none, or one refers to code.
    """
    candidates = [path for path in (folder / LAST, *_numbered(folder)) if os.path.lexists(path)]
    if not candidates:
        raise ConfigError(f"no checkpoint in {folder}: nothing to continue from")
    for path in candidates:
        try:
            return load(path)
        except DamagedCheckpointError as error:
            logger.warning("checkpoint %s is damaged (%s); trying the one before", path, error)
    raise ConfigError(f"every checkpoint in {folder} is damaged: nothing to continue from")


def load_chosen(folder: Path, choice: CheckpointChoice) -> dict[str, Any]:
    """Return the state of one checkpoint: the latest undamaged one, the best one, or that of a step.

    Raises:
        ConfigError: there is none (the message names the nearest), or it is damaged or refers to code.
    """
    if choice is NamedCheckpoint.last:
        return load_latest(folder)
    path = folder / (BEST if choice is NamedCheckpoint.best else _file_name(choice))
    if not os.path.lexists(path):
        raise ConfigError(_missing(folder, choice))
    try:
        return load(path)
    except DamagedCheckpointError as error:
        raise ConfigError(f"checkpoint {path} is damaged: {error}") from error


def _missing(folder: Path, choice: CheckpointChoice) -> str:
    """Return the message for a chosen checkpoint that is not in the folder."""
    steps = [_step(path) for path in _numbered(folder)]
    if not isinstance(choice, int):
        return f"no best checkpoint in {folder}: a run keeps one with checkpoint.best=METRIC"
    nearest = nearest_step(choice, steps)
    if nearest is None:
        return f"no checkpoint of step {choice} in {folder}"
    return f"no checkpoint of step {choice} in {folder}: the nearest is of step {nearest}"


def steps(folder: Path) -> list[int]:
    """Return the steps of the numbered checkpoints, in order; raises ``ConfigError`` if they cannot be listed."""
    return sorted(map(_step, _numbered(folder)))


def path_of_step(folder: Path, step: int) -> Path:
    """Return the file of the checkpoint of a step, whether there is one or not."""
    return folder / _file_name(step)


def load_latest_accepted(folder: Path, accept: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    """Return the state of the latest undamaged numbered checkpoint that ``accept`` holds for; None without one.

    Raises:
        ConfigError: one refers to code.
    """
    for path in _numbered(folder):
        with contextlib.suppress(DamagedCheckpointError):
            state = load(path)
            if accept(state):
                return state
    return None


def make_best(folder: Path, step: int) -> bool:
    """Make ``best.pt`` the same file as the checkpoint of a step, and return whether there is such a checkpoint.

    Where ``best.pt`` alone is left of that step, it stays.

    Raises:
        OutputError: the file cannot be written.
    """
    path, best = folder / _file_name(step), folder / BEST
    try:
        if not path.exists():
            return _has_step(best, step)
        if not (best.exists() and best.samefile(path)):
            with replacing(best) as temporary:
                _link_or_copy(path, temporary)
            fsync_folder(folder)
    except OSError as error:
        raise OutputError(f"cannot write checkpoint {best}: {first_line(error)}") from error
    return True


def delete_best(folder: Path) -> None:
    """Delete ``best.pt`` if there is one; raises ``OutputError``."""
    try:
        (folder / BEST).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot delete checkpoint {folder / BEST}: {first_line(error)}") from error


def _has_step(path: Path, step: int) -> bool:
    with contextlib.suppress(DamagedCheckpointError, ConfigError):
        return path.exists() and bool(load(path)["step"] == step)
    return False


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
        raise OutputError(f"cannot delete a checkpoint in {folder}: {first_line(error)}") from error


def _numbered(folder: Path) -> list[Path]:
    """Return the numbered checkpoints of a folder, the latest first; raises ``ConfigError`` if it cannot be listed."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a folder without rights is an error here, and empty to glob()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read: {error.strerror}") from error
    return sorted((folder / name for name in names if CHECKPOINT_NAME.fullmatch(name)), key=_step, reverse=True)


def _file_name(step: int) -> str:
    return f"step_{step:08d}.pt"


def _step(path: Path) -> int:
    match = CHECKPOINT_NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1])


def _link_or_copy(source: Path, target: Path) -> None:
    """Make a hard link to a file; a copy on file systems without hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
