"""Search for run directories below folders, and their names in a report."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_cli.errors import ConfigError, did_you_mean, printable
from gan_cli.storage.run_search import run_folders


@dataclass(frozen=True)
class SearchResult:
    """Run directories that a search found.

    Attributes:
        runs: directories with a ``.hydra/config.yaml``, each once, in the order of the paths and names.
        notes: a line for each folder that looked like a run and is none.
    """

    runs: tuple[Path, ...]
    notes: tuple[str, ...]


def find_runs(paths: Sequence[Path]) -> SearchResult:
    """Find all run directories at and below the paths.

    Raises:
        ConfigError: a path is no folder.
    """
    runs: dict[Path, Path] = {}
    notes: list[str] = []
    for path in paths:
        _require_folder(path)
        for folder in _folders(path, notes):
            try:
                (folder / ".hydra" / "config.yaml").lstat()
            except (FileNotFoundError, NotADirectoryError):
                notes.append(f"{printable(folder)}: left out: it has a .hydra and no .hydra/config.yaml in it")
            except OSError as error:
                notes.append(f"{printable(folder)}: left out: .hydra/config.yaml cannot be read: {error.strerror}")
            else:
                runs.setdefault(folder.resolve(), folder)
    return SearchResult(tuple(runs.values()), tuple(notes))


def _folders(top: Path, notes: list[str]) -> Iterator[Path]:
    """Yield every folder at or below ``top`` with a ``.hydra`` in it; add unreadable folders to ``notes``."""

    def note(error: OSError) -> None:
        notes.append(f"{printable(error.filename)}: left out: {error.strerror}")

    yield from run_folders(top, note)


def _require_folder(path: Path) -> None:
    if path.is_dir():
        return
    if path.exists():
        raise ConfigError(f"{printable(path)}: expected a folder: a run directory, or one above run directories")
    # The first missing part of the path is the one that is misspelled.
    missing = path
    while not missing.parent.is_dir():
        missing = missing.parent
    names = [entry.name for entry in missing.parent.iterdir()] if os.access(missing.parent, os.R_OK) else []
    raise ConfigError(f"there is no folder '{printable(path)}'.{did_you_mean(missing.name, names)}")


def run_names(runs: Sequence[Path]) -> list[str]:
    """Return names of run directories: their paths below the folder that they have in common."""
    folders = [run.resolve() for run in runs]
    if not folders:
        return []
    above = Path(os.path.commonpath([folder.parent for folder in folders]))
    return [printable(folder.relative_to(above)) for folder in folders]
