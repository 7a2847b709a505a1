"""Zip archives, read in place: stored and deflated members, found by the directory at the end."""

from __future__ import annotations

import contextlib
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gan_cli.data.archives_entries import DamagedMemberError, Entry, MemberKind
from gan_cli.errors import DataError, printable

# Of a member, and of an empty archive.
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1
# Of the directory: each of its entries takes ten times as much memory as bytes.
MAX_DIRECTORY_BYTES = 2**27


class ZipArchive:
    """A zip archive that is open, and read by one thread."""

    random_access = True
    has_checksums = True

    def __init__(self, file: zipfile.ZipFile, path: Path) -> None:
        self._file = file
        self._path = path
        self._members = {info.header_offset: info for info in file.infolist()}

    def entries(self) -> Iterator[Entry]:
        for info in self._file.infolist():
            kind = _kind(info)
            if kind is MemberKind.file:
                self._check(info)
            yield Entry(info.filename, kind, info.file_size, info.CRC, info.header_offset)

    def read(self, start: int, size: int) -> bytes:
        try:
            with self._file.open(self._members[start]) as stream:
                content = stream.read(size)
                stream.read(1)  # at the end the checksum is compared
        except KeyError as error:
            raise DataError(f"{self._path}: has changed while it was read") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
            raise DamagedMemberError(" ".join(str(error).split()) or type(error).__name__) from error
        if len(content) != size:
            raise DamagedMemberError(f"{len(content):,} bytes where {size:,} are announced")
        return content

    def _check(self, info: zipfile.ZipInfo) -> None:
        name = f"{self._path}: {printable(info.filename)}"
        if info.flag_bits & ENCRYPTED:
            raise DataError(f"{name} is encrypted; expected an archive without a password")
        if info.compress_type not in METHODS:
            raise DataError(
                f"{name} is compressed by the method {info.compress_type} of zip; expected stored or deflated members"
            )


@contextlib.contextmanager
def open_zip(file: BinaryIO, path: Path) -> Iterator[ZipArchive]:
    """Open a zip archive; errors are those of ``data.archives.reading_archive``."""
    with zipfile.ZipFile(_BoundedReads(file)) as opened:
        yield ZipArchive(opened, path)


def _kind(info: zipfile.ZipInfo) -> MemberKind:
    mode = info.external_attr >> 16
    if info.is_dir() or info.filename.endswith("\\"):
        return MemberKind.folder
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        return MemberKind.folder if stat.S_ISDIR(mode) else MemberKind.special
    return MemberKind.file


class _BoundedReads:
    """A file that reads no more at once than a directory may have: zipfile reads as much as an archive announces."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not -1 <= size <= MAX_DIRECTORY_BYTES:
            raise ValueError(f"a directory of {size:,} bytes; expected {MAX_DIRECTORY_BYTES:,} at most")
        return self._file.read(min(size, MAX_DIRECTORY_BYTES) if size >= 0 else MAX_DIRECTORY_BYTES)

    def seekable(self) -> bool:
        return True
