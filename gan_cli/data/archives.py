"""Zip and tar archives of images: what is in them is listed, checked and read in place. Names are labels, never paths.

Whatever an archive announces is compared with its own length before anything is unpacked: a bomb is small.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from gan_cli.data.archives_entries import Archive, DamagedMemberError, Entry, MemberKind
from gan_cli.data.archives_tar import open_tar
from gan_cli.data.archives_zip import ZIP_MAGICS, open_zip
from gan_cli.data.gzip_files import GZIP_MAGIC
from gan_cli.data.image_files import SUFFIXES, SYSTEM_FOLDERS, ImageListing
from gan_cli.errors import DataError, printable
from gan_cli.storage.reading import open_regular

MAX_MEMBERS = 2_000_000
# Pictures are compressed already: an archive unpacks to little more than its own length. Drawings stored without
# compression may shrink a hundredfold; what unpacks to less than a gigabyte is never called a bomb.
MAX_RATIO = 200
HARMLESS_BYTES = 2**30
# Suffixes of archives, which are not opened within another.
ARCHIVE_SUFFIXES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
# Names of members that say what the images show, and the bytes of such: NVIDIA's list of all, and WebDataset's classes.
LABEL_LIST, CLASS_SUFFIX = "dataset.json", ".cls"
MAX_LIST_BYTES, MAX_CLASS_BYTES = 2**26, 64
# First bytes of archives that are not read, and of what.
FOREIGN = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
}


class Member(NamedTuple):
    """An image in an archive.

    Attributes:
        name: path in the archive, with ``/`` between its parts; a label alone.
        size: in bytes.
        version: what changes with the content; see ``archives_entries.Entry``.
        start: position in the archive.
        archive: number of the archive, of several.
    """

    name: str
    size: int
    version: int
    start: int
    archive: int

    @property
    def identity(self) -> bytes:
        """All fields as bytes, distinct for distinct lists of members."""
        numbers = (self.size, self.version, self.start, self.archive)
        return b"%b\0%d\0%d\0%d\0%d\0" % (os.fsencode(self.name), *numbers)


@dataclass(frozen=True)
class ArchiveListing:
    """Images in archives, and what is left out there.

    Attributes:
        images: in the order in which they are read.
        labels: content of the members that say what the images show, by archive and name.
        left_out: what is left out, without ``files``.
        identities: what else the content of each archive depends on.
    """

    images: tuple[Member, ...]
    labels: dict[tuple[int, str], bytes]
    left_out: ImageListing
    identities: tuple[bytes, ...]


def list_archives(paths: Sequence[Path]) -> ArchiveListing:
    """List the images in archives, those of each archive in the order of their names where it can be read in any order.

    Hidden members and those in folders of systems are left out, as of a folder. An archive that has not changed since
    it was last listed is not read again.

    Raises:
        DataError: one of them cannot be read, is damaged, encrypted or a bomb, or has a member whose name is absolute,
            leads out of the archive, or is there twice.
    """
    return _list(tuple((path, *_status(path)) for path in paths))


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an archive, of the kind that its first bytes say; its name does not count.

    Raises:
        DataError: it cannot be read, or is no zip or tar archive, gzipped or not.
    """
    with reading_archive(path), open_regular(path) as file:
        length = os.fstat(file.fileno()).st_size
        first = file.read(tarfile.BLOCKSIZE)
        file.seek(0)
        foreign = next((kind for magic, kind in FOREIGN.items() if first.startswith(magic)), None)
        if foreign is not None:
            raise DataError(f"{path}: an archive of the kind {foreign}; expected .zip, .tar or .tar.gz")
        if first.startswith(ZIP_MAGICS):
            with open_zip(file, path) as archive:
                yield archive
        elif first.startswith(GZIP_MAGIC) or _is_tar(first):
            with open_tar(file, path, unpacked_limit(length)) as archive:
                yield archive
        else:
            raise DataError(f"{path}: no zip or tar archive: it begins with '{first[:4].hex(' ')}'")


def unpacked_limit(length: int) -> int:
    """Return the bytes that an archive of some length may unpack to."""
    return max(HARMLESS_BYTES, MAX_RATIO * length)


@contextlib.contextmanager
def reading_archive(path: Path) -> Iterator[None]:
    """Turn what reading an archive raises into a ``DataError``."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # of gzip
            raise _damaged(path, error) from error
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error
    except (ValueError, NotImplementedError, RuntimeError, OverflowError, struct.error) as error:  # on forged members
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path}: a damaged or truncated archive ({reason})")


def read_members(path: Path, members: Sequence[Member], limit: int) -> Iterator[bytes | DamagedMemberError]:
    """Yield the content of each member of one archive, or why it has none; by one thread, as they share a file.

    Args:
        path: the archive.
        members: in the order of its listing.
        limit: bytes of the longest member that is read.

    Raises:
        DataError: the archive cannot be read.
    """
    with open_archive(path) as archive, reading_archive(path):
        for member in members:
            if member.size > limit:
                yield DamagedMemberError(f"{member.size:,} bytes; an image has {limit:,} at most")
                continue
            try:
                content: bytes | DamagedMemberError = archive.read(member.start, member.size)
            except DamagedMemberError as error:
                content = error
            yield content


def _is_tar(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return block == bytes(tarfile.BLOCKSIZE)  # the end of an empty archive
    return True


def _status(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    return status.st_size, status.st_mtime_ns


# Settings by the number of images, the check of the files and the data themselves each ask for it: a large tar archive
# would be read from end to end each time.
@lru_cache(maxsize=1)
def _list(archives: tuple[tuple[Path, int, int], ...]) -> ArchiveListing:
    collected = _Collected()
    identities = []
    for number, (path, length, changed) in enumerate(archives):
        with open_archive(path) as archive:
            before = len(collected.images)
            collected.add(path, length, number, archive)
            if archive.random_access:
                collected.images[before:] = sorted(collected.images[before:])
            # Without checksums, a picture may be replaced by one of the same length and time.
            identities.append(b"" if archive.has_checksums else b"%d\0%d\0" % (length, changed))
    return collected.listing(tuple(identities))


class _Collected:
    """Collects what the entries of several archives amount to."""

    def __init__(self) -> None:
        self.images: list[Member] = []
        self.labels: dict[tuple[int, str], bytes] = {}
        self.ignored: set[str] = set()
        self.nested: list[str] = []
        self.special: list[str] = []
        self.others: Counter[str] = Counter()

    def add(self, path: Path, length: int, number: int, archive: Archive) -> None:
        names, total, limit = set[str](), 0, unpacked_limit(length)
        for count, entry in enumerate(archive.entries(), 1):
            if count > MAX_MEMBERS:
                raise DataError(f"{path}: more than {MAX_MEMBERS:,} members; several archives can be listed")
            name = normal_name(path, entry.name)
            if entry.kind is MemberKind.folder or not name:
                continue
            if name in names:
                raise DataError(f"{path}: two members have the name {printable(name)}")
            names.add(name)
            total += entry.size
            if total > limit:
                raise DataError(
                    f"{path}: unpacks to more than {limit:,} bytes, from {length:,}: a bomb, or pictures that are"
                    " better stored in a compressed format"
                )
            self._sort(path, number, name, entry, archive)

    def _sort(self, path: Path, number: int, name: str, entry: Entry, archive: Archive) -> None:
        *folders, base = name.split("/")
        small = base.lower()
        system = next((i for i, each in enumerate(folders) if _is_ignored(each)), None)
        if entry.kind is MemberKind.special:
            self.special.append(name)
        elif system is not None:
            self.ignored.add("/".join(folders[: system + 1]))
        elif base.startswith("."):
            pass
        elif small.endswith(SUFFIXES):
            self.images.append(Member(name, entry.size, entry.version, entry.start, number))
        elif small == LABEL_LIST or small.endswith(CLASS_SUFFIX):
            limit = MAX_LIST_BYTES if small == LABEL_LIST else MAX_CLASS_BYTES
            if entry.size > limit:
                raise DataError(f"{path}: {printable(name)} has {entry.size:,} bytes; expected {limit:,} at most")
            self.labels[number, name] = archive.read(entry.start, entry.size)
        elif small.endswith(ARCHIVE_SUFFIXES):
            self.nested.append(name)
        else:
            self.others[os.path.splitext(base)[1].lower()] += 1  # noqa: PTH122

    def listing(self, identities: tuple[bytes, ...]) -> ArchiveListing:
        left_out = ImageListing(
            [],
            ignored=tuple(sorted(self.ignored)),
            others=self.others,
            nested=tuple(self.nested),
            special=tuple(self.special),
        )
        return ArchiveListing(tuple(self.images), self.labels, left_out, identities)


def normal_name(path: Path, name: str) -> str:
    """Return the name of a member with ``/`` between its parts and without ``.``; empty for the archive's own folder.

    Raises:
        DataError: it is absolute, or leads out of the archive: no archive that is meant for others has such.
    """
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or (len(parts[0]) == 2 and parts[0][1] == ":"):
        raise DataError(
            f"{path}: the member {printable(name)} has an absolute name; nothing is read from such an archive"
        )
    if ".." in parts:
        raise DataError(
            f"{path}: the name of the member {printable(name)} leads out of it; nothing is read from such a file"
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _is_ignored(folder: str) -> bool:
    return folder.startswith(".") or folder.lower() in SYSTEM_FOLDERS
