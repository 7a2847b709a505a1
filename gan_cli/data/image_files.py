"""List the images below a folder, in an order that depends on their names alone.

Folders that are nobody's images are left out: those of systems and other programs, and the runs of this one, whose
grids of generated images would be learned, and would change the data from one start of a run to the next.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gan_cli.errors import DataError

# Of formats that are decoded (image_decoding.FORMATS).
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib"),
    *(".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm", ".pnm"),
)
# Folders of thumbnails, deleted files, snapshots and the like, in small letters: of Synology and QNAP, Windows, macOS,
# Linux, and Python. Hidden ones (``.git``, ``.ipynb_checkpoints``) are left out as well.
SYSTEM_FOLDERS = frozenset(
    {
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@__thumb"),
        *("$recycle.bin", "recycler", "system volume information"),
        *("__macosx", "lost+found", "__pycache__"),
    }
)
# A run directory has this file, a sweep's folder the other one.
RUN_FILE, SWEEP_FILE = (".hydra", "config.yaml"), "multirun.yaml"
# Of a run whose directory is the folder of images itself.
RUN_FOLDERS = ("samples", "checkpoints")


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


@dataclass(frozen=True)
class ImageListing:
    """Images below a folder, and what is left out there.

    Attributes:
        files: the images, in the order of their names.
        ignored: folders that systems and other programs made, and hidden ones.
        runs: directories of runs and sweeps.
        empty: folders of the first level without any image or run.
        unreadable: folders that cannot be listed.
        others: number of files that are no images, by suffix, in small letters; hidden ones are not counted.
        nested: archives within an archive.
        special: links and devices within an archive.
    """

    files: list[ImageFile]
    ignored: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    others: Mapping[str, int] = field(default_factory=dict)
    nested: tuple[str, ...] = ()
    special: tuple[str, ...] = ()


def list_images(folder: Path) -> ImageListing:
    """List every file below ``folder`` with a suffix of an image, in the order of their names.

    Hidden files and folders (``.name``), folders of systems and run directories are left out. Links are followed, but
    each folder is listed once, whichever ways lead to it: links cannot form a loop.

    Raises:
        DataError: the folder itself cannot be listed.
    """
    found: list[ImageFile] = []
    ignored, runs, unreadable, top, others = list[str](), list[str](), list[str](), set[str](), Counter[str]()
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
            if not prefix:
                raise DataError(f"{place}: the folder cannot be listed ({error.strerror or error})") from error
            unreadable.append(prefix.rstrip("/"))
            continue
        of_run = is_run(place, {entry.name for entry in inside})
        if of_run and prefix:
            runs.append(prefix.rstrip("/"))
            continue
        for entry in inside:
            status_of = _status(entry)
            if status_of is not None and stat.S_ISDIR(status_of.st_mode):
                name = f"{prefix}{entry.name}"
                if entry.name.startswith(".") or entry.name.lower() in SYSTEM_FOLDERS:
                    ignored.append(name)
                elif of_run and entry.name in RUN_FOLDERS:
                    runs.append(name)
                else:
                    (links if entry.is_symlink() else folders).append(f"{name}/")
                    if not (prefix or entry.is_symlink()):
                        top.add(name)
            elif entry.name.startswith("."):
                continue
            elif entry.name.lower().endswith(SUFFIXES):
                found += _image_file(f"{prefix}{entry.name}", status_of)
            else:
                others[os.path.splitext(entry.name)[1].lower()] += 1  # noqa: PTH122
    filled = {name.partition("/")[0] for name in (*(file.name for file in found), *runs, *unreadable)}
    ignored_names, run_names, empty, unreadable_names = (
        tuple(sorted(names)) for names in (ignored, runs, top - filled, unreadable)
    )
    return ImageListing(sorted(found), ignored_names, run_names, empty, unreadable_names, others)


def is_run(place: str, names: Container[str]) -> bool:
    """Return True for the directory of a run or of a sweep, by the names in it."""
    if SWEEP_FILE in names:
        return True
    return RUN_FILE[0] in names and os.path.isfile(os.path.join(place, *RUN_FILE))  # noqa: PTH113, PTH118


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
