"""CIFAR-10 and CIFAR-100 in their binary distributions: from the data root if present, else from a mirror."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from gan_cli.data.published_files import open_members, pickles_message, reading_tar
from gan_cli.datasets.base import checking_present_file, is_present
from gan_cli.datasets.cifar_classes import CIFAR10, CIFAR100_COARSE, CIFAR100_FINE
from gan_cli.datasets.published import PublishedArchive
from gan_cli.errors import DataError
from gan_cli.protocols.arrays import ByteArray
from gan_cli.protocols.data import Images
from gan_cli.storage.reading import open_regular

logger = logging.getLogger(__name__)

SHAPE = (3, 32, 32)
# The red, the green and the blue plane of one image, which follow its labels of one byte each.
PIXEL_BYTES = 3 * 32 * 32


class CifarSplit(Enum):
    """Split of CIFAR-10; the value lists its files."""

    train = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
    test = ("test_batch.bin",)


class Cifar100Split(Enum):
    """Split of CIFAR-100; the value lists its files."""

    train = ("train.bin",)
    test = ("test.bin",)


class Cifar100Labels(Enum):
    """Labels of CIFAR-100: the thing itself, of 100 kinds, or what kind of thing it is, of 20."""

    fine = "fine"
    coarse = "coarse"


@dataclass(frozen=True)
class BinaryCifar(PublishedArchive):
    """Photographs in one of CIFAR's binary distributions."""

    # Archive and folder of the edition of pickles.
    pickles: ClassVar[tuple[str, str]]
    label_bytes: ClassVar[int]
    checksums: ClassVar[Mapping[str, str]]

    @property
    def shape(self) -> tuple[int, ...]:
        return SHAPE

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        raise NotImplementedError

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files of the split."""
        raise NotImplementedError

    @property
    def label_position(self) -> int:
        """Position of the label that counts among those of an image."""
        return 0

    def images_in(self, name: str) -> int:
        """Return the number of images in a file."""
        raise NotImplementedError

    def load(self) -> Images:
        """Load pixels ``(N, 3, 32, 32)`` and labels 0, 1, ..., in the order of the files.

        Raises:
            DataError: a file is present but wrong, or none is present and none can be downloaded.
        """
        files, counts = self._read_files(), [self.images_in(name) for name in self.files]
        pixels, labels = np.empty((sum(counts), *SHAPE), np.uint8), np.empty(sum(counts), np.int64)
        for path, content in files:
            records = content.reshape(self.images_in(path.name), self.label_bytes + PIXEL_BYTES)
            found = records[:, self.label_position]
            if found.max() >= self.classes:
                raise DataError(f"{path}: holds the label {found.max()}; expected labels from 0 to {self.classes - 1}")
            start = sum(counts[: self.files.index(path.name)])
            labels[start : start + len(records)] = found
            pixels[start : start + len(records)] = records[:, self.label_bytes :].reshape(-1, *SHAPE)
        return Images(pixels, labels, class_names=self.class_names)

    def _size(self, name: str) -> int:
        return self.images_in(name) * (self.label_bytes + PIXEL_BYTES)

    def _read_files(self) -> Iterator[tuple[Path, ByteArray]]:
        """Return the path and the bytes of each file of the split, one at a time and in any order."""
        for place in self.places:
            archive, folder = place / self.archive, place / self.unpacked
            missing = [name for name in self.files if not is_present(folder / name)]
            if is_present(archive):
                with checking_present_file(self.title):
                    self.published.check(archive)
                return self._from_archive(archive)
            if not missing:
                return (self._from_file(folder / name) for name in self.files)
            if len(missing) < len(self.files):
                raise DataError(f"{folder}: without {', '.join(missing)}; expected {', '.join(self.files)}")
        return self._from_archive(self._download())

    def _download(self) -> Path:
        pickles = pickles_message(self.places, self.pickles)
        if pickles:
            logger.warning("%s", pickles)
        return self.download_archive(pickles)

    def _from_archive(self, archive: Path) -> Iterator[tuple[Path, ByteArray]]:
        """Yield the split's files straight from the archive; its other members are skipped."""
        sizes = {name: self._size(name) for name in self.files}
        with reading_tar(archive):
            for name, stream in open_members(archive, self.unpacked, sizes):
                yield archive / self.unpacked / name, np.frombuffer(stream.read(), np.uint8)

    def _from_file(self, path: Path) -> tuple[Path, ByteArray]:
        expected = self._size(path.name)
        try:
            with open_regular(path) as stream:
                content = stream.read(expected + 1)
                size = os.fstat(stream.fileno()).st_size
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
        if len(content) != expected:
            found = "truncated" if len(content) < expected else "too long"
            raise DataError(f"{path}: {found}: {size} bytes, expected {expected}")
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.checksums[path.name]:
            raise DataError(f"{path}: has SHA-256 {digest}, expected {self.checksums[path.name]}")
        return path, np.frombuffer(content, np.uint8)


@dataclass(frozen=True)
class Cifar10(BinaryCifar):
    """60,000 photographs of ten kinds of things, 32x32 RGB (Krizhevsky 2009), without its Python edition's pickles.

    Used if present: ``<root>/cifar10/cifar-10-binary.tar.gz``, or the files unpacked from it,
    ``<root>/cifar10/cifar-10-batches-bin/*.bin``; both are looked for in the root itself as well, where torchvision
    unpacks. The archive is read in place: nothing is unpacked to disk.

    Args:
        split: 50,000 images to train on, or 10,000 to test with.
    """

    split: CifarSplit = CifarSplit.train

    licence: ClassVar[str] = (
        "CIFAR-10 (Krizhevsky, Nair & Hinton): published for research without a licence; its photographs were"
        " collected from the web and remain their owners'."
    )
    title: ClassVar[str] = "CIFAR-10"
    folders: ClassVar[Sequence[str]] = ("cifar10", "", "CIFAR10", "cifar-10")
    archive: ClassVar[str] = "cifar-10-binary.tar.gz"
    unpacked: ClassVar[str] = "cifar-10-batches-bin"
    pickles: ClassVar[tuple[str, str]] = ("cifar-10-python.tar.gz", "cifar-10-batches-py")
    label_bytes: ClassVar[int] = 1
    images_per_file: ClassVar[int] = 10_000
    # Size and SHA-256 of the archive as TensorFlow Datasets and others list them. The publisher gives its MD5 alone,
    # c32a1d4ab5d03f1284b67883e8d87530.
    archive_bytes: ClassVar[int] = 170_052_171
    archive_checksum: ClassVar[str] = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    # SHA-256 of the files in the archive, which the publisher does not give: those that torchvision for Ruby verifies
    # after it unpacked the same archive; that of test_batch.bin is confirmed by two independent users of the data.
    checksums: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
        }
    )

    @property
    def class_names(self) -> tuple[str, ...]:
        return CIFAR10

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(self.split.value)

    @property
    def file_bytes(self) -> int:
        """Size of each unpacked file in bytes."""
        return self._size(self.files[0])

    def images_in(self, name: str) -> int:
        return self.images_per_file


@dataclass(frozen=True)
class Cifar100(BinaryCifar):
    """60,000 photographs of a hundred kinds of things in twenty groups, 32x32 RGB (Krizhevsky 2009).

    Used if present: ``<root>/cifar100/cifar-100-binary.tar.gz``, or the files unpacked from it,
    ``<root>/cifar100/cifar-100-binary/*.bin``; both are looked for in the root itself as well, where torchvision
    unpacks. The archive is read in place: nothing is unpacked to disk.

    Args:
        split: 50,000 images to train on, or 10,000 to test with.
        labels: the 100 fine classes, or the 20 coarse ones.
    """

    split: Cifar100Split = Cifar100Split.train
    labels: Cifar100Labels = Cifar100Labels.fine

    licence: ClassVar[str] = (
        "CIFAR-100 (Krizhevsky, Nair & Hinton): published for research without a licence; its photographs were"
        " collected from the web and remain their owners'."
    )
    title: ClassVar[str] = "CIFAR-100"
    folders: ClassVar[Sequence[str]] = ("cifar100", "", "CIFAR100", "cifar-100")
    archive: ClassVar[str] = "cifar-100-binary.tar.gz"
    unpacked: ClassVar[str] = "cifar-100-binary"
    pickles: ClassVar[tuple[str, str]] = ("cifar-100-python.tar.gz", "cifar-100-python")
    # The coarse label, then the fine one.
    label_bytes: ClassVar[int] = 2
    train_images: ClassVar[int] = 50_000
    test_images: ClassVar[int] = 10_000
    # Size and SHA-256 of the archive as several independent users of the data list them (MLDatasets.jl, GoMLX,
    # torchvision for Ruby). The publisher gives its MD5 alone, 03b5dce01913d631647c71ecec9e9cb8.
    archive_bytes: ClassVar[int] = 168_513_733
    archive_checksum: ClassVar[str] = "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
    # SHA-256 of the files in the archive, which the publisher does not give: those that torchvision for Ruby verifies
    # after it unpacked the same archive.
    checksums: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "train.bin": "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
            "test.bin": "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
        }
    )

    @property
    def class_names(self) -> tuple[str, ...]:
        return CIFAR100_FINE if self.labels is Cifar100Labels.fine else CIFAR100_COARSE

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(self.split.value)

    @property
    def label_position(self) -> int:
        return 1 if self.labels is Cifar100Labels.fine else 0

    def images_in(self, name: str) -> int:
        return self.train_images if name in Cifar100Split.train.value else self.test_images
