"""Write an export to a folder: all its files or none, and over those of an earlier export only. Imports no torch."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gan_cli.errors import ConfigError
from gan_cli.storage.files import fsync, writing
from gan_cli.storage.reading import open_regular

CARD = "README.md"
# Files beside the card: the last samples of the run, and its configuration.
PICTURE, CONFIGURATION = "samples.png", "training.yaml"
# Weights, and a description of their network, of the formats that have them apart.
WEIGHTS, DESCRIPTION = "model.safetensors", "config.json"
# Beginning of every model card, and of those of earlier versions: a folder whose card has one may be overwritten.
MARK = b"---\n# written by gan-export\n"
EARLIER_MARK = b"<!-- written by gan-export -->"


def check_folder(folder: Path) -> None:
    """Check that ``folder`` is a folder or can become one.

    Raises:
        ConfigError: a file is in its place, or in that of a folder above it.
    """
    found = _existing(folder)
    if not found.is_dir():
        raise ConfigError(f"--out: expected a folder, got {str(folder)!r}: {found} is a file")


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files by name into ``folder``, over those of an earlier export; a failure leaves it as it was.

    Raises:
        ConfigError: files of these names are there, and it was not ``gan-export`` that wrote them.
        OutputError: the folder cannot be written.
    """
    with writing(folder):
        card = folder / CARD
        earlier = _starts_with_mark(card)
        foreign = [] if earlier else [name for name in contents if os.path.lexists(folder / name)]
        if foreign:
            raise ConfigError(
                f"--out: {folder} has a {foreign[0]} that is not from an earlier export; name another folder"
            )
        # Beside the destination, hence on the same file system: complete files only have to be renamed.
        staging = Path(tempfile.mkdtemp(prefix=".gan-export-", dir=_existing(folder)))
        try:
            for name, content in contents.items():
                with (staging / name).open("wb") as file:
                    file.write(content)
                    fsync(file)
            folder.mkdir(parents=True, exist_ok=True)
            for name in contents:
                (staging / name).replace(folder / name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _starts_with_mark(card: Path) -> bool:
    try:
        with open_regular(card) as file:
            return file.read(len(EARLIER_MARK)).startswith((MARK, EARLIER_MARK))
    except OSError:  # none, or of another kind
        return False


def _existing(folder: Path) -> Path:
    """Return the folder itself, or the nearest parent that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
