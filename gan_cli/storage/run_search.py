"""The run that a user means: by its directory, by a file in it, or as the latest one. Imports no torch."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from gan_cli.errors import ConfigError, did_you_mean
from gan_cli.storage.run_directory import RunDirectory

# Where runs are written by default, and the word for the latest one there.
OUTPUTS, LATEST = Path("outputs"), "last"
# Folders of a run that contain many files and no runs.
SKIPPED_FOLDERS = {"checkpoints", "samples", "export"}
# Most runs that a message names, and that it counts.
MAX_NAMES, MAX_COUNTED = 5, 1000
# Files of a run lie this many folders below it at most.
MAX_DEPTH = 3


def run_folders(top: Path, on_error: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """Yield every folder at or below ``top`` with a ``.hydra`` in it, in the order of names.

    Args:
        top: the folder to search.
        on_error: called with the error of each folder that cannot be read; None: such folders are left out.
    """
    if "\0" in str(top):  # No folder has it in its name; os.walk raises ValueError, not OSError.
        return
    for name, folders, _ in os.walk(top, onerror=on_error):
        if ".hydra" in folders:
            yield Path(name)
        folders[:] = sorted(
            folder for folder in folders if folder not in SKIPPED_FOLDERS and not folder.startswith(".")
        )


def latest_run(top: Path = OUTPUTS) -> RunDirectory | None:
    """Return the run below ``top`` that was last trained, by the time of its log, or None where there is no run."""
    runs = (RunDirectory(folder) for folder in run_folders(top))
    return max(runs, key=lambda run: (_trained_at(run), str(run.path)), default=None)


def is_latest(typed: Path) -> bool:
    """Return whether a path is the word ``last`` and no folder of that name."""
    return str(typed) == LATEST and not typed.exists()


def locate_run(typed: Path | None, command: str) -> RunDirectory:
    """Return the run that was typed: its directory, a file in it, or ``last`` for the latest one below ``outputs/``.

    Args:
        typed: on the command line; None where nothing was.
        command: what is typed before a run, for messages: ``"gan-sample "`` or ``"gan-train resume="``.

    Raises:
        ConfigError: nothing was typed, there is no such run, it is a folder of several runs, or an earlier checkpoint
            than the one that is loaded.
    """
    if typed is None:
        raise ConfigError(f"expected a run directory. {_latest_hint(command)}")
    if is_latest(typed):
        latest = latest_run()
        if latest is None:
            raise ConfigError(f"{LATEST}: {_latest_hint(command)}")
        return latest
    if (run := run_around(typed)) is not None:
        return _require_last_checkpoint(run, typed, command)
    runs = list(islice(run_folders(typed), MAX_COUNTED))
    if runs:
        raise ConfigError(f"{typed}: expected one run, got a folder of {_several(runs, command)}")
    raise ConfigError(f"{typed} is no run directory: it has no .hydra/config.yaml.{_nearest(typed, command)}")


def _trained_at(run: RunDirectory) -> float:
    """Return when a run was last trained, in seconds: gan-eval and gan-export leave its log as it is."""
    for file in (run.log, run.hydra / "config.yaml", run.hydra):
        try:
            return file.stat().st_mtime
        except OSError:
            continue
    return 0.0


def run_around(typed: Path) -> RunDirectory | None:
    """Return the run that a path is, or lies in; None where it is in no run, or does not exist."""
    if (typed / ".hydra").is_dir():
        return RunDirectory(typed)
    if not os.path.exists(typed):  # noqa: PTH110 - raises for no name
        return None
    above = typed.absolute().parents[:MAX_DEPTH]
    levels = next((level for level, folder in enumerate(above, 1) if (folder / ".hydra").is_dir()), None)
    if levels is None:
        return None
    # As it was typed where that is possible: messages are easier to read.
    return RunDirectory(typed.parents[levels - 1] if levels <= len(typed.parents) else above[levels - 1])


def _require_last_checkpoint(run: RunDirectory, typed: Path, command: str) -> RunDirectory:
    names = (file.name for file in run.checkpoints.glob("step_*.pt") if file.is_file())
    latest = max(names, key=lambda name: (len(name), name), default=None)
    if typed.suffix == ".pt" and typed.name not in ("last.pt", latest):
        raise ConfigError(f"{typed}: only the last checkpoint of a run is loaded: {shell_line(command, run.path)}")
    return run


def _several(runs: list[Path], command: str) -> str:
    names = ", ".join(str(run) for run in runs[:MAX_NAMES])
    count = f"{len(runs):,}" if len(runs) < MAX_COUNTED else f"{MAX_COUNTED:,} or more"
    more = f" and {len(runs) - MAX_NAMES:,} more" if len(runs) > MAX_NAMES else ""
    return f"{count}: {shell_line(command, runs[0])}; they are {names}{more}"


def _nearest(typed: Path, command: str) -> str:
    """Return a sentence with the folder whose name is nearest to a missing one, or with the latest run."""
    try:
        names = [entry.name for entry in typed.parent.iterdir() if entry.is_dir()] if not typed.exists() else []
    except OSError:
        names = []
    return did_you_mean(typed.name, names) or f" {_latest_hint(command)}"


def _latest_hint(command: str) -> str:
    latest = latest_run()
    if latest is None:
        return f"There is no run below {OUTPUTS}{os.sep}; gan-train trains one"
    return f"The latest one: {shell_line(command, latest.path)} (or {command}{LATEST})"


def shell_line(command: str, run: Path) -> str:
    """Return a command with a run, as it is typed in a shell."""
    return f"{command}{shlex.quote(str(run))}"
