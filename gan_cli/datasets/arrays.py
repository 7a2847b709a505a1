"""A user's own arrays of images: NumPy's files, HDF5 and zarr, read where they lie."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from gan_cli.components.ranges import Range, check_ranges
from gan_cli.config.fields import Auto
from gan_cli.data.array_cache import mapped_array
from gan_cli.data.array_layout import ArrayLayout, channels_first, find_layout, image_shape
from gan_cli.data.array_opening import OpenArray, array_errors, open_array, read_labels, require_array_file
from gan_cli.data.array_rows import require_finite, stored_rows
from gan_cli.data.array_sources import sample_rows
from gan_cli.data.normalization import Normalization
from gan_cli.data.value_range import ValueEnds, automatic_range
from gan_cli.datasets.base import BYTE_BITS, DEEP_BITS, ImageDataset, Level, check_levels, expand_path
from gan_cli.datasets.pictures import Side
from gan_cli.errors import DataError, require
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import BYTE_LEVELS, AutomaticSetting, Images

logger = logging.getLogger(__name__)

# Of the rows that are looked at for the range, and of those that the fingerprint is of.
LOOKED_AT_BYTES, HASHED_BYTES = 2**23, 2**24


@dataclass(frozen=True)
class Arrays(ImageDataset):
    """Images in an array of numbers: ``.npy``, ``.npz``, HDF5 (``.h5``) or zarr.

    The array is mapped into memory where its bytes lie in the file as they are; what is compressed is copied below the
    data root once. Values become -1 and 1 at the ends of ``range``; samples come out in the units of the data.

    Args:
        path: the file, or the folder of a zarr store.
        root: the data root, whose folder ``arrays`` holds copies of what cannot be mapped.
        key: name of the array in a file of several; None: the only one, or the only one of three or four axes.
        labels: name of the array of labels in the same file, or a ``.npy`` file: a whole number for each image.
        layout: order of the axes; ``auto`` finds it by the shape.
        size: height and width of the images, one number for both; ``auto`` is that of the array, no other is taken.
        channels: number of channels; ``auto`` is that of the array, no other is taken.
        range: values that are -1 and 1 for networks; ``auto`` chooses by the type and a sample of the values.
        mirror: double the data by the mirror image of each, from right to left.
    """

    licence: ClassVar[str] = "Your own arrays: whatever terms you hold them under."

    path: str | None
    root: str
    key: str | None = None
    labels: str | None = None
    layout: ArrayLayout = ArrayLayout.auto
    size: Auto | Side | tuple[Side, Side] = Auto.auto
    channels: Auto | Annotated[int, Range(1, 64)] = Auto.auto
    range: Auto | tuple[Level, Level] = Auto.auto
    mirror: bool = False

    def __post_init__(self) -> None:
        check_ranges(self)
        require(bool(self.path), "path", self.path, "a file of arrays (dataset.path=FILE)")
        expand_path("path", self.path or "")
        expand_path("root", self.root)
        require(self.key != "", "key", self.key, "the name of an array or null")
        require(self.labels != "", "labels", self.labels, "the name of an array, a .npy file or null")
        if not isinstance(self.range, Auto):
            check_levels(self.range)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(C, H, W)``; raises ``DataError`` where it is that of a file which cannot be read."""
        if isinstance(self.size, Auto) or isinstance(self.channels, Auto):
            return self._look().shape
        return (self.channels, self.size, self.size) if isinstance(self.size, int) else (self.channels, *self.size)

    @property
    def classes(self) -> int | None:
        """Number of classes: 0 without labels, else None, as it is known once they are read."""
        return 0 if self.labels is None else None

    @property
    def levels(self) -> tuple[float, float]:
        """Values that are -1 and 1 for networks; raises ``DataError`` where the file decides and cannot be read."""
        return self._choose_range(self._look()).value if isinstance(self.range, Auto) else self.range

    @property
    def pixel_bits(self) -> int:
        return BYTE_BITS if self.levels == BYTE_LEVELS else DEEP_BITS

    def coordinates(self, samples: FloatArray) -> FloatArray:
        """Return images ``(N, C, H, W)`` in the units of the data."""
        values: FloatArray = Normalization(self.levels).inverse(samples.astype(np.float64)).astype(np.float32)
        return values

    def automatic_settings(self) -> Mapping[str, AutomaticSetting]:
        """Return layout, size, channels and range where they are ``auto``; see ``SelfSettling``."""
        look, found = self._look(), dict[str, AutomaticSetting]()
        reason = f"the shape {look.array.source.shape}"
        channels, height, width = look.shape
        if self.layout is ArrayLayout.auto:
            found["layout"] = AutomaticSetting(look.layout.name, reason)
        if isinstance(self.size, Auto):
            found["size"] = AutomaticSetting(height if height == width else [height, width], reason)
        if isinstance(self.channels, Auto):
            found["channels"] = AutomaticSetting(channels, reason)
        if isinstance(self.range, Auto):
            chosen = self._choose_range(look)
            found["range"] = AutomaticSetting(list(chosen.value), chosen.reason)
        return found

    def count_images(self) -> int:
        """Return the number of images; raises ``DataError`` where the file cannot be read."""
        return self._look().array.source.shape[0]

    def require_files(self) -> None:
        require_array_file(self._path)
        self._require_shape(self._look())

    def load(self) -> Images:
        """Open the array ``(N, C, H, W)``, of which nothing is read before it is asked for.

        The fingerprint is of the shape and of evenly spaced rows, 16 MB in all where the array has more.

        Raises:
            ConfigError: the extra ``arrays`` is missing.
            DataError: there is no such file or array, it cannot be read, is none of images, or is of another size.
        """
        look = self._look()
        self._require_shape(look)
        location = look.array.location
        with array_errors(location):
            array = mapped_array(look.array.source, location, expand_path("root", self.root))
        levels = self._choose_range(look).value if isinstance(self.range, Auto) else self.range
        rows = stored_rows(channels_first(array, look.layout), levels, location)
        labels = None if self.labels is None else read_labels(self._path, self.labels, len(array))
        channels, height, width = look.shape
        logger.info(
            "%s: %s images of %dx%d, %d channel%s, %s, of shape %s (dataset.layout=%s); %g is -1 and %g is 1",
            *(location, f"{len(array):,}", height, width, channels, "s" * (channels > 1)),
            *(array.dtype, array.shape, look.layout.name, *levels),
        )
        return Images(
            rows.array,
            None if labels is None else labels.numbers,
            class_names=() if labels is None else labels.names,
            levels=rows.levels,
            mirrored=self.mirror,
            hashed_bytes=HASHED_BYTES,
        )

    @property
    def _path(self) -> Path:
        return expand_path("path", self.path or "").absolute()

    def _look(self) -> _Look:
        """Read the header of the array."""
        found = open_array(self._path, self.key, self.labels)
        try:
            return _Look(found, find_layout(found.source.shape, self.layout))
        except DataError as error:
            raise DataError(f"{found.location}: {error}") from error

    def _require_shape(self, look: _Look) -> None:
        if self.shape != look.shape:
            wanted, found = map(_size_in_words, (self.shape, look.shape))
            raise DataError(
                f"{look.array.location}: images of {found}, in the layout {look.layout.name}, where dataset.size and"
                f" dataset.channels are {wanted}; arrays are taken as they are"
            )

    def _choose_range(self, look: _Look) -> _ChosenRange:
        source, location = look.array.source, look.array.location
        if source.dtype.kind == "b":
            return _ChosenRange((0.0, 1.0), "truth values")
        with array_errors(location):
            sample = source.sample(LOOKED_AT_BYTES)
        require_finite(sample, sample_rows(source.shape, source.dtype.itemsize, LOOKED_AT_BYTES), location)
        ends = ValueEnds(float(sample.min()), float(sample.max()))
        if ends.low == ends.high:
            logger.warning("%s: all values that were looked at are %g", location, ends.low)
        levels = automatic_range(source.dtype, ends)
        if not math.isfinite(levels[1] - levels[0]):
            raise DataError(f"{location}: values from {ends.low:g} to {ends.high:g}, too large to be scaled")
        return _ChosenRange(levels, f"{source.dtype} from {ends.low:g} to {ends.high:g} in {len(sample):,} images")


@dataclass(frozen=True)
class _Look:
    """An array, and the order of its axes."""

    array: OpenArray
    layout: ArrayLayout

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        return image_shape(self.array.source.shape, self.layout)


@dataclass(frozen=True)
class _ChosenRange:
    """Values that become -1 and 1, and what they were chosen for."""

    value: tuple[float, float]
    reason: str


def _size_in_words(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{height}x{width} and {channels} channel{'s' * (channels > 1)}"
