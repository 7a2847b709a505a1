"""A user's own images: any tree of image files, decoded once into a memory-mapped cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from gan_cli.data.image_decoding import Encoded, UnreadImageError, read_image_file
from gan_cli.data.image_files import ImageFile, list_images
from gan_cli.data.image_layout import read_layout
from gan_cli.data.picture_survey import MAX_HEADERS
from gan_cli.datasets.base import expand_path, require_folder
from gan_cli.datasets.picture_trees import PictureTree, TreePictures
from gan_cli.errors import require


@dataclass(frozen=True)
class ImageFolder(TreePictures):
    """Image files below a folder: PNG, JPEG, WebP, BMP, TIFF, GIF and PPM.

    Its sub-folders are classes if all images lie in them, but for a stray one; those that are numbers are in the order
    of these. Sub-folders ``train`` and ``test`` (or ``val``) are parts of the data, classes below them.

    Hidden folders, those of systems and other programs (``@eaDir``, ``$RECYCLE.BIN``, ``__MACOSX``) and run directories
    are left out, and so are sub-folders without an image, which are no classes.

    Every image is turned upright as its EXIF data say, fitted into the shape that is wanted and resized with an
    antialiasing filter. What cannot be decoded is left out, with a warning.

    Args:
        path: the folder of images.
    """

    store: ClassVar[str] = "image_folder"
    survey_size: ClassVar[int] = MAX_HEADERS

    path: str | None

    def __post_init__(self) -> None:
        require(bool(self.path), "path", self.path, "a folder of images (dataset.path=DIR)")
        expand_path("path", self.path or "")
        super().__post_init__()

    def list_tree(self) -> FolderTree:
        folder = require_folder(expand_path("path", self.path or "").absolute())
        listing = list_images(folder)
        return FolderTree(str(folder), folder, listing.files, read_layout(listing.files, self.split), listing)


@dataclass(frozen=True)
class FolderTree(PictureTree[ImageFile]):
    """Image files below a folder."""

    def encoded(self, images: Sequence[ImageFile], max_bytes: int) -> Iterator[Encoded]:
        """Return the files, which whoever decodes them reads."""
        return (Encoded(image.name, self.folder / image.name) for image in images)

    def full_name(self, name: str) -> str:
        return str(self.folder / name)

    def is_readable(self, image: ImageFile) -> bool:
        try:
            read_image_file(self.folder / image.name)
        except UnreadImageError:
            return False
        except ValueError:
            pass  # of another length by now
        return True
