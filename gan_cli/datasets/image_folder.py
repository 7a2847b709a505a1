"""A user's own images: any tree of image files, decoded once into a memory-mapped cache."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from gan_cli.data.image_cache import Labels, cache_key
from gan_cli.data.image_decoding import Encoded, UnreadImageError, read_image_file
from gan_cli.data.image_files import SUFFIXES, ImageFile, ImageListing, list_images
from gan_cli.data.image_layout import (
    FolderSplit,
    ImageLayout,
    count_by_suffix,
    describe,
    read_layout,
    without_classes,
)
from gan_cli.data.image_pipeline import load_images
from gan_cli.data.labelled_images import LabelledImages, find_labelled, read_label_file
from gan_cli.data.labels import LabelKind
from gan_cli.data.picture_survey import MAX_HEADERS
from gan_cli.datasets.base import expand_path, require_folder
from gan_cli.datasets.pictures import Pictures
from gan_cli.errors import DataError, require
from gan_cli.protocols.data import Images

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageFolder(Pictures):
    """Image files below a folder: PNG, JPEG, WebP, BMP, TIFF, GIF and PPM.

    Its sub-folders are classes if all images lie in them, but for a stray one; those that are numbers are in the order
    of these. Sub-folders ``train`` and ``test`` (or ``val``) are parts of the data, classes below them.

    Hidden folders, those of systems and other programs (``@eaDir``, ``$RECYCLE.BIN``, ``__MACOSX``) and run directories
    are left out, and so are sub-folders without an image, which are no classes.

    Every image is turned upright as its EXIF data say, fitted into the shape that is wanted and resized with an
    antialiasing filter. What cannot be decoded is left out, with a warning.

    Args:
        path: the folder of images.
        root: the data root, whose folder ``image_folder`` holds the decoded images.
        split: the part to learn, of a folder with sub-folders ``train`` and ``test``.
        labels: a table of labels, in place of classes that are folders (``data/labels.py``): a class, several, or
            numbers for each image, by its name relative to the folder. Images without a label are left out.
        label_kind: of these labels.
    """

    licence: ClassVar[str] = "Your own images: whatever terms you hold them under."

    path: str | None
    root: str
    split: FolderSplit = FolderSplit.train
    labels: str | None = None
    label_kind: LabelKind = LabelKind.auto

    def __post_init__(self) -> None:
        require(bool(self.path), "path", self.path, "a folder of images (dataset.path=DIR)")
        expand_path("path", self.path or "")
        expand_path("root", self.root)
        require(self.labels != "", "labels", self.labels, "a file, or null")
        super().__post_init__()

    @property
    def classes(self) -> None:
        """The number of classes is None: it is known once the folder is read."""
        return

    def count_images(self) -> int:
        """Return the number of image files of the split, decodable or not.

        Raises:
            DataError: there is no such folder, or it cannot be listed.
        """
        listing = list_images(self._folder())
        layout = read_layout(listing.files, self.split)
        if layout is None:
            return 0
        labelled = self._labelled(listing, layout) if self.labels and layout.files else None
        return len(layout.files if labelled is None else labelled.places)

    def test_split(self) -> ImageFolder | None:
        """Return the test part of a folder that has one, and whose training part this is.

        Raises:
            DataError: the folder cannot be listed.
        """
        if self.split is not FolderSplit.train:
            return None
        layout = read_layout(list_images(self._folder()).files, self.split)
        return replace(self, split=FolderSplit.test) if layout and layout.part and layout.other_parts else None

    def load(self) -> Images:
        """Load pixels ``(N, C, H, W)`` in the order of the files' names; labels if there are classes.

        Listing takes about 0.3 kB of memory a file; the pixels stay in a memory-mapped file.

        Raises:
            DataError: there is no such folder or no image in it, an image cannot be decoded and ``strict`` holds, or
                the cache cannot be written.
        """
        folder = self._folder()
        listing = list_images(folder)
        layout = self._layout(folder, listing)
        labelled = self._labelled(listing, layout) if self.labels else None
        if labelled is not None:
            labelled.warn()
            layout = without_classes(layout, [_files_of_part(listing, layout)[place] for place in labelled.places])
        logger.info("%s: %s", folder, describe(listing, layout))
        store = expand_path("root", self.root) / "image_folder"
        target = self.target
        key = cache_key(target, _identities(layout, labelled is not None))
        source = _FolderSource(folder, layout, labelled)
        images = load_images(source, target, store, key, self.strict, self.workers)
        return self.as_data(images if labelled is None else labelled.label(images))

    def sample_pictures(self) -> Iterator[Encoded]:
        """Return evenly spaced files of the split; raises ``DataError`` where there are none."""
        folder = self._folder()
        files = self._layout(folder, list_images(folder)).files
        rows = np.unique(np.linspace(0, len(files) - 1, min(len(files), MAX_HEADERS)).astype(np.int64))
        return (Encoded(files[row].name, folder / files[row].name) for row in rows)

    def load_examples(self, count: int, scratch: Path) -> Images:
        """Decode at most ``count`` images, spread over the folder, into ``scratch``; raises as :meth:`load`."""
        folder = self._folder()
        layout = self._layout(folder, list_images(folder))
        files = layout.files[:: max(1, len(layout.files) // count)][:count]
        some = replace(layout, files=files, classes=None, labels=())
        target = self.target
        images = load_images(_FolderSource(folder, some), target, scratch, "examples", self.strict, self.workers)
        return replace(images, levels=self.levels)

    def require_files(self) -> None:
        folder = self._folder()
        self._layout(folder, list_images(folder))

    def _folder(self) -> Path:
        return require_folder(expand_path("path", self.path or "").absolute())

    def _labelled(self, listing: ImageListing, layout: ImageLayout[ImageFile]) -> LabelledImages:
        """Return the images of the split that have a label in the table."""
        folder, taken = self._folder(), _files_of_part(listing, layout)
        table = read_label_file("dataset.labels", self.labels or "", folder, self.label_kind)
        present, names = ([file.name for file in files] for files in (listing.files, taken))
        return find_labelled(table, present, names, location=str(folder), strict=self.strict)

    def _layout(self, folder: Path, listing: ImageListing) -> ImageLayout[ImageFile]:
        """Return the images of the split; raises ``DataError`` if there are none."""
        layout = read_layout(listing.files, self.split)
        if layout is None:
            raise DataError(f"{folder}: dataset.split=test, but there are no folders train and test in it")
        if not layout.files:
            others = f" Of other files: {count_by_suffix(listing.others)}." if listing.others else ""
            raise DataError(f"{folder}: no images there; looked for {' '.join(SUFFIXES)} in it and below.{others}")
        return layout


def _files_of_part(listing: ImageListing, layout: ImageLayout[ImageFile]) -> list[ImageFile]:
    """Return all images of the part, also those beside folders of classes."""
    return [file for file in listing.files if not layout.part or file.name.startswith(f"{layout.part}/")]


def _identities(layout: ImageLayout[ImageFile], labelled: bool) -> Iterator[bytes]:
    """Yield what the decoded images and their labels depend on: the files, and the classes in their order.

    Those with a label in a table have their places for labels.
    """
    yield from (file.identity for file in layout.files)
    yield f"{layout.part}\0{'places' if labelled else layout.classes}".encode(errors="surrogateescape")


@dataclass(frozen=True)
class _FolderSource:
    """The files of a folder as a source of encoded images."""

    folder: Path
    layout: ImageLayout[ImageFile]
    labelled: LabelledImages | None = None

    @property
    def location(self) -> str:
        return str(self.folder)

    @property
    def count(self) -> int:
        return len(self.layout.files)

    def encoded(self) -> Iterator[Encoded]:
        return (Encoded(file.name, self.folder / file.name) for file in self.layout.files)

    def full_name(self, name: str) -> str:
        return str(self.folder / name)

    def is_readable(self, position: int) -> bool:
        try:
            read_image_file(self.folder / self.layout.files[position].name)
        except UnreadImageError:
            return False
        except ValueError:
            pass  # of another length by now
        return True

    def labels(self, kept: Sequence[int]) -> Labels | None:
        """Return the class of each image, if there are classes; where a table has the labels, its place."""
        if self.labelled is not None:
            return self.labelled.cached(kept)
        classes, labels = self.layout.classes, self.layout.labels
        if classes is None:
            return None
        return Labels(classes, np.fromiter((labels[index] for index in kept), np.int64, len(kept)))
