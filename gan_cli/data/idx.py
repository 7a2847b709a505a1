"""The IDX format of the MNIST family: a header of big-endian sizes, then the bytes of one array."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np

from gan_cli.data.gzip_files import GZIP_MAGIC, open_gzip
from gan_cli.errors import DataError
from gan_cli.protocols.arrays import ByteArray
from gan_cli.storage.reading import open_regular

UNSIGNED_BYTES = b"\x00\x00\x08"
MAX_DIMENSIONS = 4
# The images of the largest file that is read, MNIST's to train on: a header that promises more is damaged or malicious.
MAX_BYTES = 60_000 * 28 * 28
# With the header, and what gzip adds to a file that it cannot make smaller.
EXTRA_BYTES = 2**16
MAX_FILE_BYTES = MAX_BYTES + EXTRA_BYTES
# Where nothing but a header is read.
UNBOUNDED = 2**62
CHUNK_BYTES = 2**20

Stream: TypeAlias = "BinaryIO | gzip.GzipFile"


def read_idx(path: Path, sha256: str | None = None, max_bytes: int = MAX_BYTES) -> ByteArray:
    """Read the array in an IDX file of unsigned bytes; its first bytes, not its name, tell whether it is gzipped.

    Reads as much as the header announces and one byte more, so that memory is bounded for any file.

    Args:
        path: the file.
        sha256: SHA-256 that the uncompressed file must have, in hexadecimal; not checked when None.
        max_bytes: bytes that the array may take.

    Raises:
        DataError: the file cannot be read, is no such file, is truncated, too long or damaged, or has another
            checksum; the message names the file, what was found and what was expected.
    """
    with _wrap_errors(path), _uncompressed(path, max_bytes) as stream:
        return _parse(stream, path, sha256, max_bytes)


def idx_shape(path: Path) -> tuple[int, ...]:
    """Return the shape of the array that the header of an IDX file announces; errors as of :func:`read_idx`."""
    with _wrap_errors(path), _uncompressed(path, UNBOUNDED) as stream:
        return _parse_header(stream, path)[1]


@contextlib.contextmanager
def _wrap_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise DataError(f"{path}: its gzip data break off; expected a complete gzip file") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: its gzip data are damaged ({error}); expected a valid gzip file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


@contextlib.contextmanager
def _uncompressed(path: Path, max_bytes: int) -> Iterator[Stream]:
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes + EXTRA_BYTES:
            raise DataError(f"{path}: {size} bytes; expected an IDX file, gzipped or not, of {max_bytes} bytes at most")
        packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        if packed:
            with open_gzip(file) as stream:
                yield stream
        else:
            yield file


def _parse_header(stream: Stream, path: Path) -> tuple[bytes, tuple[int, ...]]:
    """Return the header and the shape that it announces."""
    magic = stream.read(4)
    if len(magic) < 4 or not magic.startswith(UNSIGNED_BYTES) or not 1 <= magic[3] <= MAX_DIMENSIONS:
        raise DataError(
            f"{path}: not an IDX file of bytes: starts with '{magic.hex(' ')}', expected '00 00 08' and a number"
            f" of dimensions from 1 to {MAX_DIMENSIONS}"
        )
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{path}: truncated: {4 + len(sizes)} bytes, expected a header of {4 + 4 * magic[3]}")
    return magic + sizes, struct.unpack(f">{magic[3]}I", sizes)


def _parse(stream: Stream, path: Path, sha256: str | None, max_bytes: int) -> ByteArray:
    header, shape = _parse_header(stream, path)
    expected = math.prod(shape)
    if not 1 <= expected <= max_bytes:
        raise DataError(f"{path}: its header announces the shape {shape}, {expected} bytes; expected 1 to {max_bytes}")
    content = np.empty(shape, np.uint8)
    digest = hashlib.sha256(header)
    found = _fill(stream, content, digest)
    if found < expected:
        raise DataError(f"{path}: truncated: {found} bytes of data, expected {expected} for the shape {shape}")
    # Reading on to the end also makes gzip compare its own checksum.
    if stream.read(1):
        raise DataError(f"{path}: continues after the {expected} bytes of data expected for the shape {shape}")
    if sha256 is not None and digest.hexdigest() != sha256:
        raise DataError(
            f"{path}: its uncompressed content, bytes of the shape {shape}, has SHA-256 {digest.hexdigest()}, expected"
            f" {sha256}"
        )
    return content


def _fill(stream: Stream, content: ByteArray, digest: hashlib._Hash) -> int:
    """Read into the array, chunk by chunk, and return the number of bytes read."""
    view = content.reshape(-1).data
    position = 0
    while position < len(view):
        chunk = stream.read(min(CHUNK_BYTES, len(view) - position))
        if not chunk:
            break
        view[position : position + len(chunk)] = chunk
        digest.update(chunk)
        position += len(chunk)
    return position
