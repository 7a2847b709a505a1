"""Interface of archives: their members as they announce them, and the content of one."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import BinaryIO, NamedTuple, Protocol


class MemberKind(Enum):
    """Kinds of members; links and devices are special, and never followed or opened."""

    file = "file"
    folder = "folder"
    special = "special"


class Entry(NamedTuple):
    """A member as the archive announces it.

    Attributes:
        name: as it is stored, foreign.
        kind: of the member.
        size: of its content, in bytes.
        version: what changes with the content: its checksum (zip), or the time of its last change (tar).
        start: position in the archive, by which it is found again.
    """

    name: str
    kind: MemberKind
    size: int
    version: int
    start: int


class Archive(Protocol):
    """An archive that is open, and read by one thread.

    Attributes:
        random_access: False where to go back takes to unpack all from the beginning.
        has_checksums: True if the version of a member is a checksum of its content.
    """

    random_access: bool
    has_checksums: bool

    def entries(self) -> Iterator[Entry]:
        """Yield all members in the order of the archive; an entry's content may be read before the next is asked for.

        Raises:
            DataError: it has members that cannot be read.
            Exception: of those that ``data.archives.reading_archive`` turns into a ``DataError``.
        """
        ...

    def read(self, start: int, size: int) -> bytes:
        """Return the content of a member; raises :class:`DamagedMemberError` if it alone cannot be read."""
        ...


class DamagedMemberError(ValueError):
    """A member whose content is damaged, while the archive itself can be read on."""


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    """Read so many bytes; raise ``EOFError`` if there are fewer."""
    content = stream.read(size)
    if len(content) < size:
        raise EOFError(f"it breaks off after {stream.tell():,} bytes")
    return content
