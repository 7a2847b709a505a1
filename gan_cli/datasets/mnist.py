"""MNIST and Fashion-MNIST: from the data root if their files are present, else from a mirror."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar

import numpy as np

from gan_cli.components.ranges import Range
from gan_cli.data.download import download
from gan_cli.data.idx import MAX_FILE_BYTES, read_idx
from gan_cli.data.idx_files import spellings
from gan_cli.data.resizing import resize_pictures
from gan_cli.datasets.base import PublishedImages, checking_present_file, is_present, missing_files_error
from gan_cli.errors import DataError
from gan_cli.protocols.arrays import ByteArray
from gan_cli.protocols.data import Images

# Side of the images in the files, in pixels.
SIDE = 28


class MnistSplit(Enum):
    """Split of the data; the value is the prefix of its files' names."""

    train = "train"
    test = "t10k"


@dataclass(frozen=True)
class IdxDataset(PublishedImages):
    """Grey images, stored as 28x28, and their labels in two IDX files, ``<root>/<folder>/<name>[.gz]``.

    Other spellings of the names count as well, and the folders in which torchvision keeps the files below its root.

    Args:
        split: 60,000 images to train on, or 10,000 to test with.
        size: side in pixels that the images are resized to, 8 to 256; None: 28, as they are. The 60,000 take 246 MB at
            64 pixels, 3.9 GB at 256.
    """

    split: MnistSplit = MnistSplit.train
    size: Annotated[int, Range(8, 256)] | None = None

    # Names of the classes; empty where they are the digits.
    class_names: ClassVar[tuple[str, ...]] = ()
    # SHA-256 of each file, uncompressed: mirrors pack the same content differently.
    checksums: ClassVar[Mapping[str, str]]

    @property
    def shape(self) -> tuple[int, ...]:
        side = self.size or SIDE
        return (1, side, side)

    @property
    def classes(self) -> int:
        return 10

    @property
    def names(self) -> tuple[str, str]:
        """Names of the file of images and of the file of labels, without ``.gz``."""
        return (f"{self.split.value}-images-idx3-ubyte", f"{self.split.value}-labels-idx1-ubyte")

    def load(self) -> Images:
        """Load pixels ``(N, 1, size, size)`` and labels 0 to 9, and verify the files' checksums.

        Raises:
            DataError: a file is present but wrong, or is absent and cannot be downloaded.
        """
        pixels, labels = (self._read(name) for name in self.names)
        if pixels.shape[1:] != (SIDE, SIDE) or labels.shape != pixels.shape[:1]:
            raise DataError(
                f"{self.place}: {' and '.join(self.names)} have the shapes {pixels.shape} and {labels.shape},"
                f" expected (N, {SIDE}, {SIDE}) and (N,)"
            )
        resized = resize_pictures(pixels[:, None], (self.shape[1], self.shape[2]))
        return Images(resized, labels.astype(np.int64), class_names=self.class_names)

    def _read(self, name: str) -> ByteArray:
        path = self._find_file(name)
        if path is None:
            return read_idx(self._download(name))
        with checking_present_file(self.title):
            return read_idx(path, self.checksums[name])

    def _find_file(self, name: str) -> Path | None:
        """Return the file, uncompressed or gzipped, or None where there is neither."""
        return next(filter(is_present, (place / each for place in self.places for each in spellings(name))), None)

    def _download(self, name: str) -> Path:
        try:
            return download(
                f"{name}.gz",
                self.mirrors,
                self.place,
                lambda path: read_idx(path, self.checksums[name]),
                MAX_FILE_BYTES,
            )
        except DataError as error:
            missing = " and ".join(f"{name}.gz" for name in self.names if self._find_file(name) is None)
            files = f"{missing} (or the same unpacked, without .gz)"
            raise missing_files_error(error, files, self.place) from error


class Mnist(IdxDataset):
    """Handwritten digits (LeCun, Cortes & Burges 1998)."""

    licence = "MNIST (LeCun, Cortes & Burges): CC BY-SA 3.0, to be shared with attribution under the same terms."
    title = "MNIST"
    folders = ("mnist", "MNIST/raw", "MNIST")
    checksums = MappingProxyType(
        {
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        }
    )


class FashionMnist(IdxDataset):
    """Pictures of clothes in ten classes (Xiao, Rasul & Vollgraf 2017).

    Its publisher gives checksums of the gzipped files alone; these, of the content, are those that several
    independent users of the data publish.
    """

    licence = "Fashion-MNIST (Zalando SE): MIT licence, free for any use with its copyright notice."
    title = "Fashion-MNIST"
    folders = ("fashion_mnist", "FashionMNIST/raw", "FashionMNIST", "fashion-mnist")
    class_names = (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )
    checksums = MappingProxyType(
        {
            "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        }
    )
