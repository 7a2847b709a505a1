"""Files as their publisher distributes them: found, compared with a checksum, and read from an archive in place."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

from gan_cli.errors import DataError
from gan_cli.storage.reading import open_regular

CHUNK_BYTES = 2**20


class Checksum(Enum):
    """Algorithms of checksums, by their names in messages; MD5 finds damage, but no file that was made to have it."""

    sha256 = "SHA-256"
    md5 = "MD5"


@dataclass(frozen=True)
class PublishedFile:
    """A file that is known by its size and checksum.

    Attributes:
        size: in bytes.
        digest: its checksum, in hexadecimal.
        checksum: the algorithm of that.
    """

    size: int
    digest: str
    checksum: Checksum = Checksum.sha256

    def check(self, path: Path) -> None:
        """Raise ``DataError`` unless this is exactly the published file; one of another size is not read."""
        try:
            with open_regular(path) as file:
                size = os.fstat(file.fileno()).st_size
                if size != self.size:
                    truncated = "truncated: " if size < self.size else ""
                    raise DataError(f"{path}: {truncated}{size} bytes, expected {self.size}")
                digest = self.hasher()
                while chunk := file.read(CHUNK_BYTES):
                    digest.update(chunk)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
        self.compare(path, digest)

    def hasher(self) -> hashlib._Hash:
        """Return a new hash of the algorithm, of which no security is expected."""
        return hashlib.new(self.checksum.name, usedforsecurity=False)

    def compare(self, path: Path, digest: hashlib._Hash) -> None:
        """Raise ``DataError`` unless the hash of a file's content is that of the published one."""
        if digest.hexdigest() != self.digest:
            raise DataError(
                f"{path}: its content has {self.checksum.value} {digest.hexdigest()}, expected {self.digest}"
            )


@contextlib.contextmanager
def reading_tar(archive: Path) -> Iterator[None]:
    """Turn what reading a gzipped tar archive, or a member of it, raises into a ``DataError``."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{archive}: its data are damaged ({error}); expected a gzipped tar file") from error
    except OSError as error:
        raise DataError(f"{archive}: cannot be read ({error.strerror or error})") from error


def open_members(archive: Path, folder: str, sizes: Mapping[str, int]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the name of each wanted file in a gzipped tar archive, and its content as a stream, in the archive's order.

    A stream is read within :func:`reading_tar`, before the next one is asked for.

    Args:
        archive: the archive; it is not unpacked.
        folder: the folder in it in which the files are.
        sizes: bytes that each file must have, by name.

    Raises:
        DataError: a file is missing, of another size, there twice or no file.
        Exception: of those that :func:`reading_tar` turns into a ``DataError``.
    """
    missing = {f"{folder}/{name}" for name in sizes}
    with tarfile.open(archive, "r|gz") as members:
        for member in members:
            name = member.name.removeprefix(f"{folder}/")
            if member.name != f"{folder}/{name}" or name not in sizes:
                continue
            stream = members.extractfile(member) if member.isreg() else None
            if stream is None or member.size != sizes[name] or member.name not in missing:
                raise DataError(
                    f"{archive}: {member.name} is {_describe_mismatch(member, sizes[name])};"
                    f" expected one file of {sizes[name]} bytes"
                )
            missing.remove(member.name)
            yield name, stream
    if missing:
        raise DataError(f"{archive}: without {', '.join(sorted(missing))}")


def _describe_mismatch(member: tarfile.TarInfo, size: int) -> str:
    if not member.isreg():
        return "no regular file"
    return "there twice" if member.size == size else f"{member.size} bytes"


def pickles_message(places: Sequence[Path], names: Sequence[str]) -> str:
    """Return why an edition of pickles that is there is not read; empty where there is none.

    Args:
        places: folders in which it may be.
        names: of its archive and of the folder that is unpacked from it.
    """
    found = [place / name for place in places for name in names if os.path.lexists(place / name)]
    if not found:
        return ""
    return (
        f"{found[0]} is the Python edition of the data, made of pickles, which can run code when they are opened: it is"
        " never read. The binary edition has the same images."
    )
