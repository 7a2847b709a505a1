"""List the images below a folder, in an order that depends on their names alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gan_cli.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


class ImageFile(NamedTuple):
    """An image file as listed; any change of the file changes one of the fields.

    Attributes:
        name: path relative to the folder, with ``/`` between its parts.
        size: in bytes; -1 for a link that leads nowhere.
        modified_ns: time of the last change.
    """

    name: str
    size: int
    modified_ns: int

    @property
    def identity(self) -> bytes:
        """All fields as bytes; as no name contains a zero byte, no two lists of files have the same concatenation."""
        return b"%b\0%d\0%d\0" % (os.fsencode(self.name), self.size, self.modified_ns)


def list_images(folder: Path) -> list[ImageFile]:
    """Return every file below ``folder`` with a suffix of an image, in the order of their names.

    Hidden files and folders (``.name``) are left out. Links are followed, but each folder is listed once, whichever
    ways lead to it: links cannot form a loop.

    Raises:
        DataError: a folder cannot be listed.
    """
    found: list[ImageFile] = []
    listed: set[tuple[int, int]] = set()
    folders, links = [""], list[str]()
    while folders or links:
        # Links last: a folder that lies in the tree is listed under its own name.
        prefix = folders.pop() if folders else links.pop()
        place = os.path.join(folder, prefix)  # noqa: PTH118 - Path objects would double the time of a listing
        try:
            status = os.stat(place)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in listed:
                continue
            listed.add((status.st_dev, status.st_ino))
            with os.scandir(place) as entries:
                inside = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            raise DataError(f"{place}: the folder cannot be listed ({error.strerror or error})") from error
        for entry in inside:
            if entry.name.startswith("."):
                continue
            status_of = _status(entry)
            if status_of is not None and stat.S_ISDIR(status_of.st_mode):
                (links if entry.is_symlink() else folders).append(f"{prefix}{entry.name}/")
            elif entry.name.lower().endswith(SUFFIXES):
                found += _image_file(f"{prefix}{entry.name}", status_of)
    return sorted(found)


def class_names(files: Sequence[ImageFile]) -> tuple[str, ...] | None:
    """Return the first-level sub-folders, sorted, if all images lie in them and there are at least two; else None."""
    names = {file.name.partition("/")[0] if "/" in file.name else "" for file in files}
    return tuple(sorted(names)) if len(names) >= 2 and "" not in names else None


def printable(name: str) -> str:
    """Return a file name that can be written anywhere: bytes that are not UTF-8 become backslash escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return the status of the entry, or of what it links to; None for a broken link."""
    try:
        return entry.stat()
    except OSError:
        return None


def _image_file(name: str, status: os.stat_result | None) -> list[ImageFile]:
    """Return the file, as one that cannot be opened if its link is broken; empty for sockets, pipes and devices."""
    if status is None:
        return [ImageFile(name, -1, 0)]
    return [ImageFile(name, status.st_size, status.st_mtime_ns)] if stat.S_ISREG(status.st_mode) else []
