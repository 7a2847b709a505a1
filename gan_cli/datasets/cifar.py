"""CIFAR-10 in its binary distribution: from the data root if present, else from a mirror."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from gan_cli.data.cache import sha256
from gan_cli.data.download import download
from gan_cli.datasets.base import (
    ImageDataset,
    check_mirrors,
    checking_present_file,
    expand_path,
    is_present,
    missing_files_error,
)
from gan_cli.errors import DataError
from gan_cli.protocols.arrays import ByteArray
from gan_cli.protocols.data import Images
from gan_cli.storage.reading import open_regular

CLASSES = 10
SHAPE = (3, 32, 32)
# A record is one byte of label, then the red, the green and the blue plane of one image.
RECORD_BYTES = 1 + 3 * 32 * 32


class CifarSplit(Enum):
    """Split of CIFAR-10; the value lists its files."""

    train = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
    test = ("test_batch.bin",)


@dataclass(frozen=True)
class Cifar10(ImageDataset):
    """60,000 photographs of ten kinds of things, 32x32 RGB (Krizhevsky 2009), without its Python edition's pickles.

    Used if present: ``<root>/cifar10/cifar-10-binary.tar.gz``, or the files unpacked from it,
    ``<root>/cifar10/cifar-10-batches-bin/*.bin``. The archive is read in place: nothing is unpacked to disk.

    Args:
        root: the data root; ``~`` is the home directory.
        mirrors: addresses of folders with the archive, tried in this order; empty for no downloads.
        split: 50,000 images to train on, or 10,000 to test with.
    """

    root: str
    mirrors: tuple[str, ...]
    split: CifarSplit = CifarSplit.train

    licence: ClassVar[str] = (
        "CIFAR-10 (Krizhevsky, Nair & Hinton): published for research without a licence; its photographs were"
        " collected from the web and remain their owners'."
    )
    archive: ClassVar[str] = "cifar-10-binary.tar.gz"
    unpacked: ClassVar[str] = "cifar-10-batches-bin"
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

    def __post_init__(self) -> None:
        expand_path("root", self.root)
        check_mirrors(self.mirrors)

    @property
    def shape(self) -> tuple[int, ...]:
        return SHAPE

    @property
    def classes(self) -> int:
        return CLASSES

    @property
    def place(self) -> Path:
        """Folder of the archive below the data root."""
        return expand_path("root", self.root) / "cifar10"

    @property
    def file_bytes(self) -> int:
        """Size of each unpacked file in bytes."""
        return self.images_per_file * RECORD_BYTES

    def load(self) -> Images:
        """Load pixels ``(N, 3, 32, 32)`` and labels 0 to 9, in the order of the files.

        Raises:
            DataError: a file is present but wrong, or none is present and none can be downloaded.
        """
        files = self._read_files()
        count = self.images_per_file * len(self.split.value)
        pixels, labels = np.empty((count, *SHAPE), np.uint8), np.empty(count, np.int64)
        for path, content in files:
            records = content.reshape(self.images_per_file, RECORD_BYTES)
            if records[:, 0].max() >= CLASSES:
                raise DataError(f"{path}: holds the label {records[:, 0].max()}; expected labels from 0 to 9")
            start = self.images_per_file * self.split.value.index(path.name)
            labels[start : start + len(records)] = records[:, 0]
            pixels[start : start + len(records)] = records[:, 1:].reshape(-1, *SHAPE)
        return Images(pixels, labels)

    def _read_files(self) -> Iterator[tuple[Path, ByteArray]]:
        """Yield the path and the bytes of each file of the split, one at a time and in any order."""
        archive, folder = self.place / self.archive, self.place / self.unpacked
        missing = [name for name in self.split.value if not is_present(folder / name)]
        if is_present(archive):
            with checking_present_file("CIFAR-10"):
                self._check(archive)
            return self._from_archive(archive)
        if not missing:
            return (self._from_file(folder / name) for name in self.split.value)
        if len(missing) < len(self.split.value):
            raise DataError(f"{folder}: without {', '.join(missing)}; expected {', '.join(self.split.value)}")
        return self._from_archive(self._download())

    def _check(self, archive: Path) -> None:
        """Raise ``DataError`` unless this is exactly the published archive; one of another size is not read."""
        try:
            with open_regular(archive) as file:
                size = os.fstat(file.fileno()).st_size
            digest = sha256(archive) if size == self.archive_bytes else None
        except OSError as error:
            raise DataError(f"{archive}: cannot be read ({error.strerror or error})") from error
        if digest is None:
            truncated = "truncated: " if size < self.archive_bytes else ""
            raise DataError(f"{archive}: {truncated}{size} bytes, expected {self.archive_bytes}")
        if digest != self.archive_checksum:
            raise DataError(f"{archive}: its content has SHA-256 {digest}, expected {self.archive_checksum}")

    def _download(self) -> Path:
        try:
            return download(self.archive, self.mirrors, self.place, self._check, self.archive_bytes)
        except DataError as error:
            files = f"{self.archive} (or the folder {self.unpacked} unpacked from it)"
            raise missing_files_error(error, files, self.place) from error

    def _from_archive(self, archive: Path) -> Iterator[tuple[Path, ByteArray]]:
        """Yield the split's files straight from the archive; its other members are skipped."""
        missing = {f"{self.unpacked}/{name}" for name in self.split.value}
        names = frozenset(missing)
        try:
            with tarfile.open(archive, "r|gz") as members:
                for member in members:
                    if member.name not in names:
                        continue
                    stream = members.extractfile(member) if member.isreg() else None
                    if stream is None or member.size != self.file_bytes or member.name not in missing:
                        raise DataError(
                            f"{archive}: {member.name} is {self._describe_mismatch(member)};"
                            f" expected one file of {self.file_bytes} bytes"
                        )
                    missing.remove(member.name)
                    yield archive / member.name, np.frombuffer(stream.read(), np.uint8)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise DataError(f"{archive}: its data are damaged ({error}); expected a gzipped tar file") from error
        except OSError as error:
            raise DataError(f"{archive}: cannot be read ({error.strerror or error})") from error
        if missing:
            raise DataError(f"{archive}: without {', '.join(sorted(missing))}")

    def _describe_mismatch(self, member: tarfile.TarInfo) -> str:
        if not member.isreg():
            return "no regular file"
        return "there twice" if member.size == self.file_bytes else f"{member.size} bytes"

    def _from_file(self, path: Path) -> tuple[Path, ByteArray]:
        try:
            with open_regular(path) as stream:
                content = stream.read(self.file_bytes + 1)
                size = os.fstat(stream.fileno()).st_size
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
        if len(content) != self.file_bytes:
            found = "truncated" if len(content) < self.file_bytes else "too long"
            raise DataError(f"{path}: {found}: {size} bytes, expected {self.file_bytes}")
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.checksums[path.name]:
            raise DataError(f"{path}: has SHA-256 {digest}, expected {self.checksums[path.name]}")
        return path, np.frombuffer(content, np.uint8)
