"""Gzipped files that anybody may have made, unpacked as a stream."""

from __future__ import annotations

import gzip
from typing import BinaryIO, cast

GZIP_MAGIC = b"\x1f\x8b"
# Zeros behind the data, such as a tape has.
MAX_PADDING_BYTES = 2**16


def open_gzip(file: BinaryIO) -> gzip.GzipFile:
    """Open a gzipped file, at its beginning, for reading; the padding behind its data is bounded.

    Reading raises ``EOFError`` where the data break off or the padding does not end, ``gzip.BadGzipFile`` or
    ``zlib.error`` where they are damaged.
    """
    return gzip.GzipFile(fileobj=cast(BinaryIO, _BoundedPadding(file)))


class _BoundedPadding:
    """A gzipped file whose padding is bounded: gzip skips any number of zeros behind the data, one at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._zeros = 0
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._zeros = self._zeros + 1 if content == b"\0" else 0
        if self._zeros > MAX_PADDING_BYTES:
            raise EOFError(f"more than {MAX_PADDING_BYTES:,} zeros behind the gzip data")
        return content
