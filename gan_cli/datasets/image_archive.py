"""A user's own images in zip or tar archives, which are read in place and decoded once into a memory-mapped cache."""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import ClassVar

import numpy as np

from gan_cli.data.archives import ArchiveListing, Member, list_archives, read_members
from gan_cli.data.archives_layout import named_images, read_archive_layout
from gan_cli.data.image_cache import Labels, cache_key
from gan_cli.data.image_decoding import Encoded
from gan_cli.data.image_files import SUFFIXES, ImageListing
from gan_cli.data.image_layout import FolderSplit, ImageLayout, count_by_suffix, describe, without_classes
from gan_cli.data.image_pipeline import load_images
from gan_cli.data.labelled_images import LabelledImages, find_labelled, read_label_file
from gan_cli.data.labels import LabelKind
from gan_cli.datasets.base import expand_path
from gan_cli.datasets.pictures import Pictures
from gan_cli.errors import DataError, did_you_mean, require
from gan_cli.protocols.data import Images
from gan_cli.storage.deep_pixels import Depth

logger = logging.getLogger(__name__)

# Of the files of a folder that is the path.
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_ARCHIVES = 100_000
# Pictures that are read where they decide on size, channels or depth: in an archive each is read as a whole.
MAX_READ = 256
# WebDataset's notation of several shards: ``photos-{000..146}.tar``.
SHARDS = re.compile(r"\{([0-9]{1,9})\.\.([0-9]{1,9})\}")
EXPECTED = "an archive of images (dataset.path=FILE.zip, FILE.tar or FILE.tar.gz), a folder or a pattern of several"


@dataclass(frozen=True)
class ImageArchive(Pictures):
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
        root: the data root, whose folder ``image_archive`` holds the decoded images.
        split: the part to learn, of archives with parts ``train`` and ``test``.
        labels: a table of labels in place of those of the archives, as that of ``ImageFolder``; file names in it are
            below the folder that holds all.
        label_kind: of the labels in the table.
    """

    licence: ClassVar[str] = "Your own images: whatever terms you hold them under."

    path: str | tuple[str, ...] | None
    root: str
    split: FolderSplit = FolderSplit.train
    labels: str | None = None
    label_kind: LabelKind = LabelKind.auto

    def __post_init__(self) -> None:
        require(bool(self.path), "path", self.path, EXPECTED)
        for path in self._patterns:
            expand_path("path", path)
        expand_path("root", self.root)
        require(self.labels != "", "labels", self.labels, "a file, or null")
        super().__post_init__()

    @property
    def classes(self) -> None:
        """The number of classes is None: it is known once the archives are read."""
        return

    def count_images(self) -> int:
        """Return the number of image files of the split, decodable or not.

        Raises:
            DataError: there are no such archives or no images in them, or one cannot be read.
        """
        paths = self._paths()
        listing = list_archives(paths)
        layout = self._layout(paths, listing.left_out, read_archive_layout(paths, listing, self.split))
        return len(self._labelled(paths, listing, layout).places if self.labels else layout.files)

    def test_split(self) -> ImageArchive | None:
        """Return the test part of archives that have one, and whose training part this is.

        Raises:
            DataError: an archive cannot be read.
        """
        if self.split is not FolderSplit.train:
            return None
        paths = self._paths()
        layout = read_archive_layout(paths, list_archives(paths), self.split)
        return replace(self, split=FolderSplit.test) if layout and layout.part and layout.other_parts else None

    def load(self) -> Images:
        """Load pixels ``(N, C, H, W)``; labels if there are classes.

        The order is that of the archives and of the names in each; of a gzipped tar archive, that of its members.

        Raises:
            DataError: there are no such archives or no image in them, one is damaged, encrypted or a bomb, its labels
                are not those of its images, an image cannot be decoded and ``strict`` holds, or the cache cannot be
                written.
        """
        paths = self._paths()
        listing = list_archives(paths)
        layout = self._layout(paths, listing.left_out, read_archive_layout(paths, listing, self.split))
        labelled, target = self._labelled(paths, listing, layout) if self.labels else None, self.target
        if labelled is not None:
            labelled.warn()
            taken = _images_of_part(paths, listing, layout)
            layout = without_classes(layout, [taken[place] for place in labelled.places])
        source = _ArchiveSource(paths, layout, target.max_file_bytes, labelled)
        logger.info("%s: %s", source.location, describe(listing.left_out, layout))
        store = expand_path("root", self.root) / "image_archive"
        key = cache_key(target, _identities(listing.identities, layout, labelled is not None))
        images = load_images(source, target, store, key, self.strict, self.workers)
        return self.as_data(images if labelled is None else labelled.label(images))

    def sample_pictures(self) -> Iterator[Encoded]:
        """Return evenly spaced pictures of the split; raises ``DataError`` where there are none."""
        paths = self._paths()
        listing = list_archives(paths)
        layout = self._layout(paths, listing.left_out, read_archive_layout(paths, listing, self.split))
        rows = np.unique(np.linspace(0, len(layout.files) - 1, min(len(layout.files), MAX_READ)).astype(np.int64))
        some = replace(layout, files=[layout.files[row] for row in rows], labels=())
        # What Target says of a file's length, without what the pictures decide.
        limit = replace(self, size=32, channels=3, depth=Depth.uint8).target.max_file_bytes
        return _ArchiveSource(paths, some, limit).encoded()

    def require_files(self) -> None:
        self._paths()

    @property
    def _patterns(self) -> tuple[str, ...]:
        return (self.path,) if isinstance(self.path, str) else self.path or ()

    def _paths(self) -> list[Path]:
        """Return the archives, in the order in which they are listed, and those of one pattern in that of their names.

        Raises:
            DataError: there are none.
        """
        return [path for pattern in self._patterns for path in _find(expand_path("path", pattern).absolute())]

    def _labelled(self, paths: Sequence[Path], listing: ArchiveListing, layout: ImageLayout[Member]) -> LabelledImages:
        """Return the images of the split that have a label in the table."""
        table = read_label_file("dataset.labels", self.labels or "", paths[0].parent, self.label_kind)
        present = [image.name for image in named_images(paths, listing)]
        names = [image.name for image in _images_of_part(paths, listing, layout)]
        return find_labelled(table, present, names, location=_location(paths), strict=self.strict)

    def _layout(
        self, paths: Sequence[Path], left_out: ImageListing, layout: ImageLayout[Member] | None
    ) -> ImageLayout[Member]:
        """Return the images of the split; raises ``DataError`` if there are none."""
        if layout is None:
            raise DataError(f"{_location(paths)}: dataset.split=test, but there are no parts train and test in it")
        if not layout.files:
            others = f" Of other files: {count_by_suffix(left_out.others)}." if left_out.others else ""
            nested = f" Archives in it are not opened: {', '.join(left_out.nested[:3])}." if left_out.nested else ""
            raise DataError(f"{_location(paths)}: no images in it; looked for {' '.join(SUFFIXES)}.{others}{nested}")
        return layout


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


def _images_of_part(paths: Sequence[Path], listing: ArchiveListing, layout: ImageLayout[Member]) -> Sequence[Member]:
    """Return all images of the part, also those beside folders of classes."""
    images = named_images(paths, listing)
    return [image for image in images if not layout.part or image.name.startswith(f"{layout.part}/")]


def _identities(archives: Sequence[bytes], layout: ImageLayout[Member], labelled: bool) -> Iterator[bytes]:
    """Yield what the decoded images and their labels depend on: the members, and the classes of each.

    Those with a label in a table have their places for labels.
    """
    yield from archives
    yield from (member.identity for member in layout.files)
    yield f"{layout.part}\0{'places' if labelled else layout.classes}".encode(errors="surrogateescape")
    yield np.array(layout.labels, np.int64).tobytes()


def _location(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1:,} more"


@dataclass(frozen=True)
class _ArchiveSource:
    """The members of archives as a source of encoded images, which one thread reads and several decode."""

    paths: Sequence[Path]
    layout: ImageLayout[Member]
    max_bytes: int
    labelled: LabelledImages | None = None

    @property
    def location(self) -> str:
        return _location(self.paths)

    @property
    def count(self) -> int:
        return len(self.layout.files)

    def encoded(self) -> Iterator[Encoded]:
        for archive, group in groupby(self.layout.files, key=lambda member: member.archive):
            members = list(group)
            contents = read_members(self.paths[archive], members, self.max_bytes)
            for member, content in zip(members, contents, strict=True):
                yield Encoded(member.name, content)

    def full_name(self, name: str) -> str:
        return f"{self.location}: {name}"

    def is_readable(self, position: int) -> bool:
        """Return True: an archive that cannot be read ends the reading."""
        return True

    def labels(self, kept: Sequence[int]) -> Labels | None:
        """Return the class of each image, or its place among those with a label in a table, if there are such."""
        if self.labelled is not None:
            return self.labelled.cached(kept)
        classes, labels = self.layout.classes, self.layout.labels
        if classes is None:
            return None
        return Labels(classes, np.fromiter((labels[index] for index in kept), np.int64, len(kept)))
