"""A local folder of tables and images that a library reads whole: what it must not meet there is found first."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gan_cli.data.image_files import is_run
from gan_cli.errors import DataError

# Tables of text are read line by line, however long a line is; of images, they hold no more than paths and labels.
TEXT_SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".txt", ".xml")
MAX_TEXT_BYTES = 2**28


def check_table_folder(folder: Path) -> None:
    """Check that a folder holds regular files alone, no endless tables, and no runs of this program below it.

    The library would wait for a FIFO, keep a line of gigabytes in memory, and learn the grids of generated images.

    Raises:
        DataError: it holds something of that kind; names the first.
    """
    for place, folders, files in os.walk(folder):
        inside = set(folders)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if place != str(folder) and is_run(place, {*files, *inside}):
            raise DataError(
                f"{place}: a run directory below the data, whose generated images would be learned;"
                " move it, or the data"
            )
        for name in sorted(files):
            _check_file(Path(place, name))


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError:
        return  # a broken link, of which the library tells if it needs it
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path}: cannot be read (not a regular file)")
    if path.suffix.lower() in TEXT_SUFFIXES and status.st_size > MAX_TEXT_BYTES:
        raise DataError(f"{path}: {status.st_size:,} bytes; expected a table of text of at most {MAX_TEXT_BYTES:,}")
