"""Images in IDX files, the format of MNIST: EMNIST, KMNIST, QMNIST and any of the user's own."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from gan_cli.components.ranges import Range, check_ranges
from gan_cli.config.fields import Auto
from gan_cli.data.idx import idx_shape, read_idx
from gan_cli.data.idx_files import IdxPair, find_pairs, read_mapping
from gan_cli.data.memory import data_memory, require_memory
from gan_cli.data.resizing import resize_pictures
from gan_cli.datasets.base import ImageDataset, expand_path
from gan_cli.datasets.pictures import Side
from gan_cli.errors import DataError, require
from gan_cli.protocols.arrays import ByteArray, IntArray
from gan_cli.protocols.data import AutomaticSetting, Images

logger = logging.getLogger(__name__)

# Numbers of channels, by which the axis of the channels is known.
CHANNELS = (1, 3, 4)


class IdxSplit(Enum):
    """Part of the data: the files whose names say ``test`` or ``t10k``, or the others."""

    train = "train"
    test = "test"


@dataclass(frozen=True)
class Idx(ImageDataset):
    """Images, and labels if there are such, in a pair of IDX files of bytes, gzipped or not.

    Labels become 0, 1, ... in the order of their numbers, which are the names of the classes; those of EMNIST are the
    characters of its ``*-mapping.txt`` where that lies beside.

    Args:
        path: the file of images, whose labels are found by its name; or the folder of one such pair, or of one to
            train on and one to test with.
        split: the part to learn; of a single pair, the training part is all.
        size: height and width of the images in pixels; one number for both; ``auto`` is that of the file. Images stored
            in another size are resized.
        channels: of the images; ``auto`` is what the file has: 1 where it has no axis of channels.
        transpose: exchange rows and columns: EMNIST's images are stored that way.
    """

    licence: ClassVar[str] = "IDX files of your own, or of a published collection, whose terms apply."

    path: str | None
    split: IdxSplit = IdxSplit.train
    size: Auto | Side | tuple[Side, Side] = Auto.auto
    channels: Auto | Annotated[int, Range(1, 64)] = Auto.auto
    transpose: bool = False

    def __post_init__(self) -> None:
        require(bool(self.path), "path", self.path, "an IDX file of images, or a folder of a pair (dataset.path=FILE)")
        expand_path("path", self.path or "")
        check_ranges(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(C, H, W)``; raises ``DataError`` where it is that of a file which cannot be read."""
        _, channels, *extent = self._stored(self._pair()) if self._looks_at_file else (0, 0, 0, 0)
        channels = channels if isinstance(self.channels, Auto) else self.channels
        if isinstance(self.size, Auto):
            return (channels, *extent)
        return (channels, self.size, self.size) if isinstance(self.size, int) else (channels, *self.size)

    @property
    def classes(self) -> None:
        """The number of classes is None: it is known once the labels are read."""
        return

    def count_images(self) -> int:
        """Return the number of images of the split, as the file announces it.

        Raises:
            DataError: there is no such file, or it is no IDX file of images.
        """
        return self._stored(self._pair())[0]

    def automatic_settings(self) -> Mapping[str, AutomaticSetting]:
        """Return size and channels where they are ``auto``; see ``SelfSettling``."""
        _, channels, height, width = self._stored(self._pair())
        reason, found = f"images of the shape {(channels, height, width)}", dict[str, AutomaticSetting]()
        if isinstance(self.size, Auto):
            found["size"] = AutomaticSetting(height if height == width else [height, width], reason)
        if isinstance(self.channels, Auto):
            found["channels"] = AutomaticSetting(channels, reason)
        return found

    def test_split(self) -> Idx | None:
        """Return the part to test with where there is one, and this is not it.

        Raises:
            DataError: the files cannot be listed.
        """
        if self.split is IdxSplit.test or self._pair().is_test:
            return None
        return replace(self, split=IdxSplit.test) if any(pair.is_test for pair in self._pairs()) else None

    def load(self) -> Images:
        """Load pixels ``(N, C, H, W)``, and labels if there are such.

        Raises:
            DataError: there is no such file, one is damaged or too large for the memory, has images of other channels,
                or another number of labels than of images.
        """
        pair = self._pair()
        count, channels, height, width = self._stored(pair)
        wanted, *extent = self.shape
        if channels != wanted:
            raise DataError(f"{pair.images}: images of {channels} channels; dataset.channels={channels} reads them")
        needed = count * channels * height * width * (2 if self.transpose else 1)
        require_memory(needed, f"{pair.images}: {count:,} images of {height}x{width} pixels", "fewer images take less")
        pixels = _channels_first(read_idx(pair.images, max_bytes=data_memory()))
        if self.transpose:
            pixels = np.ascontiguousarray(pixels.swapaxes(-1, -2))
        resized = "" if [height, width] == extent else f", resized to {extent[0]}x{extent[1]}"
        values = self._values(pair)
        labels, names = None, tuple[str, ...]()
        if pair.labels is not None:
            labels = _labels(pair, count, values)
            names = self._names(pair, values)
        described = f"{len(names)} classes of {pair.labels.name}" if pair.labels is not None else "no labels"
        logger.info("%s: %s images of %dx%d%s; %s", pair.images, f"{count:,}", height, width, resized, described)
        return Images(resize_pictures(pixels, (extent[0], extent[1])), labels, class_names=names)

    def require_files(self) -> None:
        self._pair()

    @property
    def _looks_at_file(self) -> bool:
        return Auto.auto in (self.size, self.channels)

    def _pairs(self) -> list[IdxPair]:
        return find_pairs(expand_path("path", self.path or "").absolute())

    def _pair(self) -> IdxPair:
        """Return the files of the split; raises ``DataError`` where there are none."""
        pairs = self._pairs()
        if self.split is IdxSplit.test:
            tests = [pair for pair in pairs if pair.is_test]
            if not tests:
                raise DataError(f"{self.path}: dataset.split=test, but no images there say test or t10k in their names")
            return tests[0]
        return pairs[0] if self._is_file else next((pair for pair in pairs if not pair.is_test), pairs[0])

    @property
    def _is_file(self) -> bool:
        return not expand_path("path", self.path or "").is_dir()

    def _stored(self, pair: IdxPair) -> tuple[int, int, int, int]:
        """Return the number, channels, height and width of the images."""
        shape = idx_shape(pair.images)
        if len(shape) not in (3, 4) or math.prod(shape) == 0:
            raise DataError(
                f"{pair.images}: an array of the shape {shape}; expected images N x H x W, or N x C x H x W"
            )
        count, channels, height, width = _channels_first_shape(shape)
        return (count, channels, width, height) if self.transpose else (count, channels, height, width)

    def _values(self, pair: IdxPair) -> IntArray:
        """Return the labels that there are, in all parts: the same class has the same number in each."""
        files = {each.labels for each in self._pairs() if each.labels is not None} if pair.labels is not None else ()
        found = [np.unique(_read_labels(file)) for file in sorted(files)]
        return np.unique(np.concatenate(found)).astype(np.int64) if found else np.empty(0, np.int64)

    def _names(self, pair: IdxPair, values: IntArray) -> tuple[str, ...]:
        mapping = read_mapping(pair.images.parent, pair.title)
        names = tuple(mapping.get(value, str(value)) for value in values.tolist())
        return names if len(set(names)) == len(names) else tuple(map(str, values.tolist()))


def _read_labels(path: Path) -> ByteArray:
    labels = read_idx(path, max_bytes=data_memory())
    if labels.ndim != 1:
        raise DataError(f"{path}: an array of the shape {labels.shape}; expected one label for each image")
    return labels


def _labels(pair: IdxPair, count: int, values: IntArray) -> IntArray:
    """Return the position of each label among all values."""
    assert pair.labels is not None
    labels = _read_labels(pair.labels)
    if len(labels) != count:
        raise DataError(f"{pair.labels}: {len(labels):,} labels, but {count:,} images in {pair.images.name}")
    return np.searchsorted(values, labels).astype(np.int64)


def _channels_first_shape(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return N, C, H and W of images with any order of these axes."""
    if len(shape) == 3:
        return shape[0], 1, shape[1], shape[2]
    count, second, third, last = shape
    return (count, last, second, third) if _channels_last(shape) else (count, second, third, last)


def _channels_last(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[1] not in CHANNELS and shape[3] in CHANNELS


def _channels_first(pixels: ByteArray) -> ByteArray:
    if _channels_last(pixels.shape):
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    return pixels.reshape(_channels_first_shape(pixels.shape))
