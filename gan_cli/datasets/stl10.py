"""STL-10 in its binary distribution: from the data root if present, else from a mirror."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import IO, Annotated, ClassVar

import numpy as np

from gan_cli.components.ranges import Range
from gan_cli.data.memory import require_memory
from gan_cli.data.published_files import Checksum, PublishedFile, open_members, reading_tar
from gan_cli.data.resizing import resize_pictures
from gan_cli.datasets.base import checking_present_file, is_present
from gan_cli.datasets.published import PublishedArchive
from gan_cli.errors import DataError
from gan_cli.protocols.arrays import ByteArray
from gan_cli.protocols.data import Images
from gan_cli.storage.reading import open_regular

SIDE = 96
IMAGE_BYTES = 3 * SIDE * SIDE
# Images that are read, and resized, at a time.
BLOCK = 256


class Stl10Split(Enum):
    """Split of STL-10; the value is the beginning of its files' names."""

    train = "train"
    test = "test"
    unlabeled = "unlabeled"


@dataclass(frozen=True)
class Stl10(PublishedArchive):
    """113,000 photographs, 96x96 RGB, 13,000 of them of ten kinds of things (Coates, Ng & Lee 2011).

    Used if present: ``<root>/stl10/stl10_binary.tar.gz``, or the files unpacked from it,
    ``<root>/stl10/stl10_binary/*.bin``; both are looked for in the root itself as well, where torchvision unpacks. The
    archive of 2.6 GB is read in place, from end to end at each start; unpacked files take seconds.

    Args:
        split: 5,000 images to train on, 8,000 to test with, or 100,000 without labels.
        size: side in pixels that the images are resized to, 8 to 256; None: 96, as they are. The 100,000 take 2.8 GB of
            memory at 96 pixels, 0.7 GB at 48.
    """

    split: Stl10Split = Stl10Split.train
    size: Annotated[int, Range(8, 256)] | None = None

    licence: ClassVar[str] = (
        "STL-10 (Coates, Ng & Lee): published for research without a licence; its photographs were taken from ImageNet"
        " and remain their owners'."
    )
    title: ClassVar[str] = "STL-10"
    class_names: ClassVar[tuple[str, ...]] = (
        *("airplane", "bird", "car", "cat", "deer"),
        *("dog", "horse", "monkey", "ship", "truck"),
    )
    folders: ClassVar[Sequence[str]] = ("stl10", "", "STL10", "stl-10")
    archive: ClassVar[str] = "stl10_binary.tar.gz"
    unpacked: ClassVar[str] = "stl10_binary"
    counts: ClassVar[Mapping[str, int]] = MappingProxyType({"train": 5_000, "test": 8_000, "unlabeled": 100_000})
    # The publisher gives no checksums. These are the MD5 sums that torchvision compares, which find damaged files but
    # no forged ones; the size is that of the archive as those who download it see it.
    archive_bytes: ClassVar[int] = 2_640_397_119
    algorithm: ClassVar[Checksum] = Checksum.md5
    archive_checksum: ClassVar[str] = "91f7769df0f17e558f3565bffb0c7dfb"
    checksums: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
            "train_y.bin": "5a34089d4802c674881badbb80307741",
            "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
            "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
            "unlabeled_X.bin": "5242ba1fed5e4be9e1e742405eb56ca4",
        }
    )

    @property
    def shape(self) -> tuple[int, ...]:
        side = self.size or SIDE
        return (3, side, side)

    @property
    def num_bytes(self) -> int:
        """Memory of the images, in bytes."""
        return self._count * int(np.prod(self.shape))

    @property
    def classes(self) -> int:
        return 0 if self.split is Stl10Split.unlabeled else len(self.class_names)

    def load(self) -> Images:
        """Load pixels ``(N, 3, size, size)`` and labels 0 to 9; no labels of the unlabeled part.

        Raises:
            DataError: a file is present but wrong, none is present and none can be downloaded, or the images take too
                much memory.
        """
        side = self.shape[-1]
        contents = f"{self._count:,} images of {side} pixels"
        require_memory(self.num_bytes, contents, "a smaller dataset.size takes fewer")
        streams = self._streams()
        pixels, labels = np.empty((self._count, *self.shape), np.uint8), np.empty(self._count, np.uint8)
        for path, stream in streams:
            if path.name.endswith("_y.bin"):
                labels = np.frombuffer(_read(path, stream, self._count), np.uint8)
            else:
                _read_images(path, stream, pixels)
        if self.classes == 0:
            return Images(pixels)
        if not 1 <= labels.min() <= labels.max() <= self.classes:
            raise DataError(f"{self.title}: labels from {labels.min()} to {labels.max()}; expected 1 to {self.classes}")
        return Images(pixels, labels.astype(np.int64) - 1, class_names=self.class_names)

    @property
    def _count(self) -> int:
        return self.counts[self.split.value]

    @property
    def _sizes(self) -> dict[str, int]:
        """Names and sizes of the files of the split."""
        part, images = self.split.value, self._count * IMAGE_BYTES
        labels = {} if self.split is Stl10Split.unlabeled else {f"{part}_y.bin": self._count}
        return {f"{part}_X.bin": images, **labels}

    def _streams(self) -> Iterator[tuple[Path, IO[bytes]]]:
        """Return the path and the content of each file of the split, in any order."""
        names = tuple(self._sizes)
        for place in self.places:
            archive, folder = place / self.archive, place / self.unpacked
            missing = [name for name in names if not is_present(folder / name)]
            if not missing:
                return self._from_folder(folder)
            if is_present(archive):
                with checking_present_file(self.title):
                    self.published.check(archive)
                return self._from_archive(archive)
            if len(missing) < len(names):
                raise DataError(f"{folder}: without {', '.join(missing)}; expected {', '.join(names)}")
        return self._from_archive(self.download_archive())

    def _from_archive(self, archive: Path) -> Iterator[tuple[Path, IO[bytes]]]:
        with reading_tar(archive):
            for name, stream in open_members(archive, self.unpacked, self._sizes):
                yield archive / self.unpacked / name, stream

    def _from_folder(self, folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
        for name, size in self._sizes.items():
            path = folder / name
            with checking_present_file(self.title):
                PublishedFile(size, self.checksums[name], self.algorithm).check(path)
            try:
                with open_regular(path) as stream:
                    yield path, stream
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _read_images(path: Path, stream: IO[bytes], pixels: ByteArray) -> None:
    """Read images, which are stored column by column, and resize them; a block at a time."""
    for start in range(0, len(pixels), BLOCK):
        block = pixels[start : start + BLOCK]
        content = np.frombuffer(_read(path, stream, len(block) * IMAGE_BYTES), np.uint8)
        stored = content.reshape(-1, 3, SIDE, SIDE).swapaxes(2, 3)
        block[:] = resize_pictures(stored, (pixels.shape[2], pixels.shape[3]))


def _read(path: Path, stream: IO[bytes], size: int) -> bytes:
    with reading_tar(path):
        content = stream.read(size)
    if len(content) != size:
        raise DataError(f"{path}: breaks off: it was changed while it was read")
    return content
