"""A user's own images in zip or tar archives, which are read in place and decoded once into a memory-mapped cache."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import ClassVar

from gan_cli.data.archives import Member, list_archives, read_members
from gan_cli.data.archives_layout import named_images, read_archive_layout
from gan_cli.data.image_decoding import Encoded
from gan_cli.datasets.base import expand_path
from gan_cli.datasets.picture_trees import PictureTree, TreePictures
from gan_cli.errors import DataError, did_you_mean, require

# Of the files of a folder that is the path.
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_ARCHIVES = 100_000
# Pictures that are read where they decide on size, channels or depth: in an archive each is read as a whole.
MAX_READ = 256
# WebDataset's notation of several shards: ``photos-{000..146}.tar``.
SHARDS = re.compile(r"\{([0-9]{1,9})\.\.([0-9]{1,9})\}")
EXPECTED = "an archive of images (dataset.path=FILE.zip, FILE.tar or FILE.tar.gz), a folder or a pattern of several"


@dataclass(frozen=True)
class ImageArchive(TreePictures):
    """Image files in zip or tar archives, which are not unpacked.

    Folders in an archive are classes, and ``train`` and ``test`` parts of the data, as those of ``ImageFolder``, below
    one folder that holds all. Labels of a ``dataset.json``, as NVIDIA's dataset_tool.py writes it, and of WebDataset's
    members ``KEY.cls`` count instead of folders. Of several archives, those with ``train`` and ``test`` in their names
    are parts.

    Images are turned upright, fitted and resized like those of ``ImageFolder``; what cannot be decoded is left out,
    with a warning. A tar archive is listed from end to end before it is read, a gzipped one unpacked for it.

    Args:
        path: the archive; or a folder of archives, a pattern such as ``shards/*.tar`` or ``shards/{000..146}.tar``, or
            a list of archives.
    """

    store: ClassVar[str] = "image_archive"
    survey_size: ClassVar[int] = MAX_READ

    path: str | tuple[str, ...] | None

    def __post_init__(self) -> None:
        require(bool(self.path), "path", self.path, EXPECTED)
        for path in self._patterns:
            expand_path("path", path)
        super().__post_init__()

    def list_tree(self) -> ArchiveTree:
        """List the pictures, in the order of the archives and of the names in each, or of a gzipped one's members.

        Raises:
            DataError: there are no such archives, one is damaged, encrypted or a bomb, or its labels are not those of
                its images.
        """
        paths = self._paths()
        listing = list_archives(paths)
        return ArchiveTree(
            _location(paths),
            paths[0].parent,
            named_images(paths, listing),
            read_archive_layout(paths, listing, self.split),
            listing.left_out,
            listing.identities,
            paths,
        )

    @property
    def _patterns(self) -> tuple[str, ...]:
        return (self.path,) if isinstance(self.path, str) else self.path or ()

    def _paths(self) -> list[Path]:
        """Return the archives, in the order in which they are listed, and those of one pattern in that of their names.

        Raises:
            DataError: there are none.
        """
        return [path for pattern in self._patterns for path in _find(expand_path("path", pattern).absolute())]


@dataclass(frozen=True)
class ArchiveTree(PictureTree[Member]):
    """Image files in archives, which one thread reads and several decode.

    Attributes:
        paths: the archives.
    """

    paths: Sequence[Path] = ()

    def encoded(self, images: Sequence[Member], max_bytes: int) -> Iterator[Encoded]:
        """Yield the bytes of each image, those of one archive after the other."""
        for archive, group in groupby(images, key=lambda member: member.archive):
            members = list(group)
            contents = read_members(self.paths[archive], members, max_bytes)
            for member, content in zip(members, contents, strict=True):
                yield Encoded(member.name, content)

    def full_name(self, name: str) -> str:
        return f"{self.location}: {name}"

    def is_readable(self, image: Member) -> bool:
        """Return True: an archive that cannot be read ends the reading."""
        return True


def _find(path: Path) -> list[Path]:
    """Return the archive of that name, those in the folder of that name, or those that a pattern matches."""
    try:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.name.lower().endswith(ARCHIVES) and file.is_file())
            return _require_some(inside, f"{path}: no archives there; looked for {' '.join(ARCHIVES)}")
        if path.exists():
            return [path]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if SHARDS.search(str(path)):
        return [each for name in _numbered(str(path)) for each in _existing(Path(name))]
    if glob.has_magic(str(path)):
        found = [Path(name) for name in sorted(glob.glob(str(path)))]  # noqa: PTH207 - Path.glob takes no absolute ones
        return _require_some(found, f"{path}: no archives of such names")
    return _existing(path)


def _require_some(paths: list[Path], message: str) -> list[Path]:
    if not paths:
        raise DataError(message)
    if len(paths) > MAX_ARCHIVES:
        raise DataError(f"{paths[0].parent}: {len(paths):,} archives; expected {MAX_ARCHIVES:,} at most")
    return paths


def _existing(path: Path) -> list[Path]:
    try:
        if path.exists():
            return [path]
        beside = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    raise DataError(f"there is no file {path}.{did_you_mean(path.name, beside)}")


def _numbered(pattern: str) -> list[str]:
    """Return the names that a pattern with one range of numbers stands for, each with as many digits as the first."""
    match = SHARDS.search(pattern)
    assert match is not None
    first, last = int(match[1]), int(match[2])
    if not first <= last < first + MAX_ARCHIVES:
        raise DataError(f"{pattern}: expected a range of 1 to {MAX_ARCHIVES:,} numbers, got {match[0]}")
    numbers = (f"{number:0{len(match[1])}d}" for number in range(first, last + 1))
    return [f"{pattern[: match.start()]}{number}{pattern[match.end() :]}" for number in numbers]


def _location(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1:,} more"
