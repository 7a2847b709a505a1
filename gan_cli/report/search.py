"""Run directories at and below the paths that a user names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_cli.errors import ConfigError, nearest
from gan_cli.report.text import printable

# Folders of a run that hold many files and no runs.
CLOSED = {"checkpoints", "samples", "export"}


@dataclass(frozen=True)
class Found:
    """What a search has come to.

    Attributes:
        runs: directories with a ``.hydra/config.yaml``, each once, in the order of the paths and names.
        notes: a line for each folder that looked like a run and is none.
    """

    runs: tuple[Path, ...]
    notes: tuple[str, ...]


def search(paths: Sequence[Path]) -> Found:
    """Find all run directories.

    Raises:
        ConfigError: a path is no folder.
    """
    runs: dict[Path, Path] = {}
    notes: list[str] = []
    for path in paths:
        _require_folder(path)
        for folder in _folders(path, notes):
            if (folder / ".hydra" / "config.yaml").is_file():
                runs.setdefault(folder.resolve(), folder)
            else:
                notes.append(f"{printable(folder)}: left out: it has a .hydra and no .hydra/config.yaml in it")
    return Found(tuple(runs.values()), tuple(notes))


def _folders(top: Path, notes: list[str]) -> Iterator[Path]:
    """Every folder at or below ``top`` with a ``.hydra`` in it; what cannot be looked into is noted."""

    def note(error: OSError) -> None:
        notes.append(f"{printable(error.filename)}: left out: {error.strerror}")

    for name, folders, _ in os.walk(top, onerror=note):
        if ".hydra" in folders:
            yield Path(name)
        folders[:] = sorted(folder for folder in folders if folder not in CLOSED and not folder.startswith("."))


def _require_folder(path: Path) -> None:
    if path.is_dir():
        return
    if path.exists():
        raise ConfigError(f"{printable(path)}: expected a folder: a run directory, or one above run directories")
    # Of a path whose parent is missing as well, the part that is there tells where the mistake begins.
    begun = path
    while not begun.parent.is_dir():
        begun = begun.parent
    names = [entry.name for entry in begun.parent.iterdir()] if os.access(begun.parent, os.R_OK) else []
    raise ConfigError(f"there is no folder '{printable(path)}'.{nearest(begun.name, names)}")


def names(runs: Sequence[Path]) -> list[str]:
    """What to call run directories: their paths below the folder that holds them all."""
    places = [folder.resolve() for folder in runs]
    if not places:
        return []
    above = Path(os.path.commonpath([place.parent for place in places]))
    return [printable(place.relative_to(above)) for place in places]
