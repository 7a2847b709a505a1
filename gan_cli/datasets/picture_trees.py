"""Common part of datasets of a user's own pictures in a tree of folders, on a disk or in archives."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from gan_cli.data.image_cache import Labels, cache_key
from gan_cli.data.image_decoding import Encoded, max_file_bytes
from gan_cli.data.image_files import SUFFIXES, ImageListing
from gan_cli.data.image_layout import (
    FolderSplit,
    ImageLayout,
    ListedImage,
    count_by_suffix,
    describe,
    without_classes,
)
from gan_cli.data.image_pipeline import load_images
from gan_cli.data.labelled_images import LabelledImages, find_labelled, read_label_file
from gan_cli.data.labels import LabelKind
from gan_cli.datasets.base import expand_path
from gan_cli.datasets.pictures import Pictures
from gan_cli.errors import DataError, printable, require
from gan_cli.protocols.data import Images

logger = logging.getLogger(__name__)

Image = TypeVar("Image", bound=ListedImage)
# Archives that a message lists.
MAX_NESTED = 3


@dataclass(frozen=True)
class PictureTree(ABC, Generic[Image]):
    """Pictures that are listed, but not read yet.

    Attributes:
        location: of all, for messages.
        folder: that the name of a table of labels is relative to.
        images: those of all parts.
        layout: those of the part that is wanted; None: there is no such part.
        left_out: what lies beside them.
        identities: of what holds them, where decoded images depend on it.
    """

    location: str
    folder: Path
    images: Sequence[Image]
    layout: ImageLayout[Image] | None
    left_out: ImageListing
    identities: Sequence[bytes] = ()

    @abstractmethod
    def encoded(self, images: Sequence[Image], max_bytes: int) -> Iterator[Encoded]:
        """Yield pictures with their bytes, of which each has at most ``max_bytes``, or files to read."""

    @abstractmethod
    def full_name(self, name: str) -> str:
        """Return a picture's name together with the tree's."""

    @abstractmethod
    def is_readable(self, image: Image) -> bool:
        """Return True if a picture can be read now, whether it can be decoded or not."""

    def require_layout(self) -> ImageLayout[Image]:
        """Return the pictures of the part that is wanted; raises ``DataError`` if there are none."""
        if self.layout is None:
            raise DataError(f"{self.location}: dataset.split=test, but there are no parts train and test in it")
        if self.layout.files:
            return self.layout
        others = f" Of other files: {count_by_suffix(self.left_out.others)}." if self.left_out.others else ""
        archives = ", ".join(map(printable, self.left_out.nested[:MAX_NESTED]))
        nested = f" Archives in it are not opened: {archives}." if archives else ""
        raise DataError(
            f"{self.location}: no images there; looked for {' '.join(SUFFIXES)} in it and below.{others}{nested}"
        )

    def images_of_part(self) -> list[Image]:
        """Return all pictures of the part that is wanted, also those beside folders of classes."""
        part = self.require_layout().part
        return [image for image in self.images if not part or image.name.startswith(f"{part}/")]


@dataclass(frozen=True, kw_only=True)
class TreePictures(Pictures):
    """Base of datasets of pictures in a tree of folders.

    Args:
        root: the data root, in which a folder holds the decoded images.
        split: the part to learn, of data with parts ``train`` and ``test``.
        labels: a table of labels in place of those that the tree has (``data/labels.py``): a class, several, or numbers
            for each file; relative to the data, or to the working directory.
        label_kind: of these labels.
    """

    licence: ClassVar[str] = "Your own images: whatever terms you hold them under."
    # Folder of the decoded images below the data root.
    store: ClassVar[str]
    # Pictures that are looked at where they decide on size, channels or depth.
    survey_size: ClassVar[int]

    root: str
    split: FolderSplit = FolderSplit.train
    labels: str | None = None
    label_kind: LabelKind = LabelKind.auto

    def __post_init__(self) -> None:
        expand_path("root", self.root)
        require(self.labels != "", "labels", self.labels, "a file, or null")
        super().__post_init__()

    def list_tree(self) -> PictureTree[Any]:
        """List the pictures; raises ``DataError`` where they are not there, or cannot be listed."""
        raise NotImplementedError

    @property
    def classes(self) -> None:
        """The number of classes is None: it is known once the tree is listed."""
        return

    def count_images(self) -> int:
        """Return the number of pictures of the split, decodable or not; with a table, of those that have a label.

        Raises:
            DataError: there are none, they cannot be listed, or the table does not fit them.
        """
        tree = self.list_tree()
        return len(self._labelled(tree).places if self.labels else tree.require_layout().files)

    def test_split(self) -> TreePictures | None:
        """Return the part to test with of a tree that has one, and whose training part this is.

        Raises:
            DataError: the tree cannot be listed.
        """
        layout = self.list_tree().layout if self.split is FolderSplit.train else None
        return replace(self, split=FolderSplit.test) if layout and layout.part and layout.other_parts else None

    def load(self) -> Images:
        """Load pixels ``(N, C, H, W)`` in the order of the listing; labels if there are classes, or a table.

        Listing takes about 0.3 kB of memory a file; the pixels stay in a memory-mapped file.

        Raises:
            DataError: there are no pictures, they cannot be read, labels are not those of the pictures, a picture
                cannot be decoded and ``strict`` holds, or the cache cannot be written.
        """
        tree = self.list_tree()
        layout, labelled = tree.require_layout(), self._labelled(tree) if self.labels else None
        if labelled is not None:
            labelled.warn()
            taken = tree.images_of_part()
            layout = without_classes(layout, [taken[place] for place in labelled.places])
        logger.info("%s: %s", tree.location, describe(tree.left_out, layout))
        target = self.target
        source = _Source(tree, layout, target.max_file_bytes, labelled)
        key = cache_key(target, _identities(tree, layout, labelled is not None))
        store = expand_path("root", self.root) / self.store
        images = load_images(source, target, store, key, self.strict, self.workers)
        return self.as_data(images if labelled is None else labelled.label(images))

    def load_examples(self, count: int, scratch: Path) -> Images:
        """Decode at most ``count`` pictures, spread over the tree, into ``scratch``; raises as :meth:`load`."""
        tree, target = self.list_tree(), self.target
        layout = tree.require_layout()
        files = layout.files[:: max(1, len(layout.files) // count)][:count]
        source = _Source(tree, without_classes(layout, files), target.max_file_bytes)
        images = load_images(source, target, scratch, "examples", self.strict, self.workers)
        return replace(images, levels=self.levels)

    def sample_pictures(self) -> Iterator[Encoded]:
        """Return evenly spaced pictures of the split; raises ``DataError`` where there are none."""
        tree = self.list_tree()
        files = tree.require_layout().files
        rows = np.unique(np.linspace(0, len(files) - 1, min(len(files), self.survey_size)).astype(np.int64))
        return tree.encoded([files[row] for row in rows], max_file_bytes(self.max_pixels))

    def require_files(self) -> None:
        self.list_tree().require_layout()

    def _labelled(self, tree: PictureTree[Any]) -> LabelledImages:
        """Return the pictures of the split that have a label in the table."""
        table = read_label_file("dataset.labels", self.labels or "", tree.folder, self.label_kind)
        present, names = ([image.name for image in images] for images in (tree.images, tree.images_of_part()))
        return find_labelled(table, present, names, location=tree.location, strict=self.strict)


def _identities(tree: PictureTree[Any], layout: ImageLayout[Any], labelled: bool) -> Iterator[bytes]:
    """Yield what the decoded images and their labels depend on: the pictures, and the class of each.

    Those with a label in a table have their places for labels.
    """
    yield from tree.identities
    yield from (image.identity for image in layout.files)
    yield f"{layout.part}\0{'places' if labelled else layout.classes}".encode(errors="surrogateescape")
    yield np.array(layout.labels, np.int64).tobytes()


@dataclass(frozen=True)
class _Source:
    """Pictures of a tree as a source of encoded images."""

    tree: PictureTree[Any]
    layout: ImageLayout[Any]
    max_bytes: int
    labelled: LabelledImages | None = None

    @property
    def location(self) -> str:
        return self.tree.location

    @property
    def count(self) -> int:
        return len(self.layout.files)

    def encoded(self) -> Iterator[Encoded]:
        return self.tree.encoded(self.layout.files, self.max_bytes)

    def full_name(self, name: str) -> str:
        return self.tree.full_name(name)

    def is_readable(self, position: int) -> bool:
        return self.tree.is_readable(self.layout.files[position])

    def labels(self, kept: Sequence[int]) -> Labels | None:
        """Return the class of each image, if there are classes; where a table has the labels, its place."""
        if self.labelled is not None:
            return self.labelled.cached(kept)
        classes, labels = self.layout.classes, self.layout.labels
        if classes is None:
            return None
        return Labels(classes, np.fromiter((labels[index] for index in kept), np.int64, len(kept)))
