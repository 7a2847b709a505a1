"""A user's own images: any tree of image files, decoded once into a memory-mapped cache."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from gan_cli.data.image_cache import Labels, cache_key
from gan_cli.data.image_decoding import Encoded, UnreadImageError, read_image_file
from gan_cli.data.image_files import SUFFIXES, ImageFile, ImageListing, class_names, list_images
from gan_cli.data.image_pipeline import load_images
from gan_cli.datasets.base import expand_path, require_folder
from gan_cli.datasets.pictures import Pictures
from gan_cli.errors import DataError, printable, require
from gan_cli.protocols.data import Images

logger = logging.getLogger(__name__)

# Folders that a message names.
MAX_NAMES = 5


@dataclass(frozen=True)
class ImageFolder(Pictures):
    """PNG, JPEG, WebP and BMP files below a folder; its sub-folders are classes if all images lie in them.

    Hidden folders, those of systems and other programs (``@eaDir``, ``$RECYCLE.BIN``, ``__MACOSX``) and run directories
    are left out, and so are sub-folders without an image, which are no classes.

    Every image is turned upright as its EXIF data say, fitted into the shape that is wanted and resized with an
    antialiasing filter. What cannot be decoded is left out, with a warning.

    Args:
        path: the folder of images.
        root: the data root, whose folder ``image_folder`` holds the decoded images.
    """

    licence: ClassVar[str] = "Your own images: whatever terms you hold them under."

    path: str | None
    root: str

    def __post_init__(self) -> None:
        require(bool(self.path), "path", self.path, "a folder of images (dataset.path=DIR)")
        expand_path("path", self.path or "")
        expand_path("root", self.root)
        super().__post_init__()

    @property
    def classes(self) -> None:
        """The number of classes is None: it is known once the folder is read."""
        return

    def count_images(self) -> int:
        """Return the number of image files, decodable or not.

        Raises:
            DataError: there is no such folder, or it cannot be listed.
        """
        return len(list_images(self._folder()).files)

    def load(self) -> Images:
        """Load pixels ``(N, C, H, W)`` in the order of the files' names; labels if there are classes.

        Listing takes about 0.3 kB of memory a file; the pixels stay in a memory-mapped file.

        Raises:
            DataError: there is no such folder or no image in it, an image cannot be decoded and ``strict`` holds, or
                the cache cannot be written.
        """
        folder = self._folder()
        listing = list_images(folder)
        _log_left_out(folder, listing)
        files = _require_images(folder, listing)
        store = expand_path("root", self.root) / "image_folder"
        key = cache_key(self.target, (file.identity for file in files))
        return load_images(_FolderSource(folder, files), self.target, store, key, self.strict, self.workers)

    def require_files(self) -> None:
        folder = self._folder()
        _require_images(folder, list_images(folder))

    def _folder(self) -> Path:
        return require_folder(expand_path("path", self.path or "").absolute())


def _require_images(folder: Path, listing: ImageListing) -> Sequence[ImageFile]:
    """Return the image files of a folder; raises ``DataError`` if there are none."""
    if not listing.files:
        raise DataError(f"{folder}: no images there; looked for {' '.join(SUFFIXES)} in it and below")
    return listing.files


def _log_left_out(folder: Path, listing: ImageListing) -> None:
    """Log the folders below the one of images that hold none of them, a line for each kind."""
    if listing.ignored:
        logger.info("%s: left out folders of the system and of other programs: %s", folder, _examples(listing.ignored))
    if listing.runs:
        logger.warning("%s: left out run directories: %s", folder, _examples(listing.runs))
    if listing.empty and class_names(listing.files) is not None:
        logger.warning("%s: folders without an image are no classes: %s", folder, _examples(listing.empty))


def _examples(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(map(printable, names[:MAX_NAMES])) + more


@dataclass(frozen=True)
class _FolderSource:
    """The files of a folder as a source of encoded images."""

    folder: Path
    files: Sequence[ImageFile]

    @property
    def location(self) -> str:
        return str(self.folder)

    @property
    def count(self) -> int:
        return len(self.files)

    def encoded(self) -> Iterator[Encoded]:
        return (Encoded(file.name, self.folder / file.name) for file in self.files)

    def full_name(self, name: str) -> str:
        return str(self.folder / name)

    def is_readable(self, position: int) -> bool:
        try:
            read_image_file(self.folder / self.files[position].name)
        except UnreadImageError:
            return False
        except ValueError:
            pass  # of another length by now
        return True

    def labels(self, kept: Sequence[int]) -> Labels | None:
        """Return labels by first-level folder, if all images lie in such folders."""
        classes = class_names(self.files)
        if classes is None:
            return None
        label_of = {name: label for label, name in enumerate(classes)}
        labels = (label_of[self.files[index].name.partition("/")[0]] for index in kept)
        return Labels(classes, np.fromiter(labels, np.int64, len(kept)))
