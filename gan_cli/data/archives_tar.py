"""Tar archives, gzipped or not, read in place. Headers of all usual kinds are read here, each in bounded memory.

``tarfile`` reads extended headers of any announced length, and keeps an object for each member; its parser of a single
header is used.
"""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

from gan_cli.data.archives_entries import Entry, MemberKind, read_exactly
from gan_cli.data.gzip_files import GZIP_MAGIC, open_gzip
from gan_cli.errors import DataError, printable

# Of extended headers, which hold names.
MAX_HEADER_BYTES = 2**20
CHUNK_BYTES = 2**20
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
SPARSE = "GNU.sparse"
PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
# Kinds without content, whatever size their header has.
EMPTY = (
    *(tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE),
    *(tarfile.DIRTYPE, tarfile.FIFOTYPE),
)


class TarArchive:
    """An open tar archive; no random access where it is gzipped."""

    has_checksums = False

    def __init__(self, stream: BinaryIO, path: Path, limit: int, random_access: bool) -> None:
        self.random_access = random_access
        self._stream = stream
        self._path = path
        self._limit = limit

    def entries(self) -> Iterator[Entry]:
        position = 0
        extended: Mapping[str, str] = {}
        while True:
            self._seek(position)
            block = read_exactly(self._stream, tarfile.BLOCKSIZE)
            if not any(block):
                self._read_to_end()
                return
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            start = position + tarfile.BLOCKSIZE
            size = self._size(header, extended)
            position = start + _padded(0 if header.type in EMPTY else size)
            if header.type in (*PAX, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
                extended = {**extended, **self._read_extension(header, size)}
                continue
            if header.type == tarfile.GNUTYPE_SPARSE or SPARSE in extended:
                raise DataError(
                    f"{self._path}: {printable(header.name)} is stored as a sparse file; expected whole ones"
                )
            name = extended.get("path", header.name)
            self._require(position)
            yield Entry(name, _kind(header, name), size, int(header.mtime), start)
            extended = {}

    def read(self, start: int, size: int) -> bytes:
        self._seek(start)
        return read_exactly(self._stream, size)

    def _read_to_end(self) -> None:
        """Read what is behind the end of the archive: gzip compares its checksum there."""
        while not self.random_access and self._stream.read(CHUNK_BYTES):
            self._require(self._stream.tell())

    def _seek(self, position: int) -> None:
        self._require(position)
        if self._stream.tell() != position and self._stream.seek(position) != position:
            raise EOFError(f"it breaks off before {position:,} bytes")

    def _require(self, position: int) -> None:
        """Raise ``DataError`` where an archive announces more than it may hold: to get there takes to unpack it."""
        if position > self._limit:
            raise DataError(
                f"{self._path}: unpacks to more than {self._limit:,} bytes: a bomb, or pictures that are better stored"
                " in a compressed format"
            )

    def _size(self, header: tarfile.TarInfo, extended: Mapping[str, str]) -> int:
        size = int(extended.get("size", header.size)) if header.type in FILES else header.size
        if size < 0:
            raise ValueError(f"{printable(header.name)} has {size} bytes")
        return size

    def _read_extension(self, header: tarfile.TarInfo, size: int) -> dict[str, str]:
        """Return what a header says of the next member: its name, size and the like."""
        if size > MAX_HEADER_BYTES:
            raise ValueError(f"a header of {size:,} bytes; expected {MAX_HEADER_BYTES:,} at most")
        content = read_exactly(self._stream, size)
        if header.type == tarfile.GNUTYPE_LONGNAME:
            return {"path": content.partition(b"\0")[0].decode("utf-8", "surrogateescape")}
        # Of all members (a comment, mostly), and of the target of a link.
        return _parse_pax(content) if header.type in PAX else {}


def _parse_pax(content: bytes) -> dict[str, str]:
    """Return the name and the size in an extended header, whose records are ``length key=value``."""
    records = dict[str, str]()
    position = 0
    while position < len(content) and content[position]:
        digits, blank, _ = content[position : position + 20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = content[position + len(digits) + len(blank) : position + length]
        key, equals, value = record.removesuffix(b"\n").partition(b"=")
        if length <= len(digits) or not equals or position + length > len(content):
            raise ValueError("an extended header that is none")
        if key.startswith(b"GNU.sparse."):
            records[SPARSE] = ""
        elif key in (b"path", b"size"):  # others, of which there may be any number, are not needed
            records[key.decode()] = value.decode("utf-8", "surrogateescape")
        position += length
    return records


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _kind(header: tarfile.TarInfo, name: str) -> MemberKind:
    if header.type == tarfile.DIRTYPE or (header.type == tarfile.AREGTYPE and name.endswith("/")):
        return MemberKind.folder
    return MemberKind.file if header.type in FILES else MemberKind.special


@contextlib.contextmanager
def open_tar(file: BinaryIO, path: Path, limit: int) -> Iterator[TarArchive]:
    """Open a tar archive, gzipped or not; errors are those of ``data.archives.reading_archive``.

    Args:
        file: at its beginning.
        path: of the file, for messages.
        limit: bytes that it may unpack to.
    """
    packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    if not packed:
        yield TarArchive(file, path, limit, random_access=True)
        return
    with open_gzip(file) as stream:
        yield TarArchive(cast(BinaryIO, stream), path, limit, random_access=False)
