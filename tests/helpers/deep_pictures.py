"""PNG files of 16 bits, written by the standard's own words: an encoder apart from the one that is tested."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

COLOR = {1: 0, 2: 4, 3: 2, 4: 6}


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _paeth(left: int, above: int, corner: int) -> int:
    estimate = left + above - corner
    distances = [(abs(estimate - each), order, each) for order, each in enumerate((left, above, corner))]
    return min(distances)[2]


def _filtered(kind: int, row: bytes, before: bytes, step: int) -> bytes:
    found = bytearray([kind])
    for place, value in enumerate(row):
        left, corner = (row[place - step], before[place - step]) if place >= step else (0, 0)
        predicted = {0: 0, 1: left, 2: before[place], 3: (left + before[place]) // 2}.get(kind)
        found.append((value - (_paeth(left, before[place], corner) if predicted is None else predicted)) % 256)
    return bytes(found)


def write_png(path: Path, pixels: npt.NDArray[Any]) -> Path:
    """Write ``(H, W, C)`` numbers of 16 bits; the rows go through all five filters in turn."""
    height, width, channels = pixels.shape
    rows = [row.astype(">u2").tobytes() for row in pixels]
    before = [bytes(len(rows[0])), *rows]
    body = b"".join(_filtered(n % 5, row, before[n], 2 * channels) for n, row in enumerate(rows))
    header = struct.pack(">IIBBBBB", width, height, 16, COLOR[channels], 0, 0, 0)
    parts = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(body)), _chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind and the content of each chunk of a PNG, whose checksums are compared."""
    place = 8
    while place < len(content):
        length = struct.unpack(">I", content[place : place + 4])[0]
        body = content[place + 4 : place + 8 + length]
        assert zlib.crc32(body) == struct.unpack(">I", content[place + 8 + length : place + 12 + length])[0]
        yield body[:4], body[4:]
        place += 12 + length


def read_png(content: bytes) -> npt.NDArray[Any]:
    """Read ``(H, W, C)`` of a PNG of 16 bits whose rows stand unfiltered in one chunk of data."""
    width, height, bits, color = struct.unpack(">IIBB", content[16:26])
    assert bits == 16
    (data,) = (body for kind, body in chunks(content) if kind == b"IDAT")
    body = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, -1)
    assert not body[:, 0].any()
    channels = {value: key for key, value in COLOR.items()}[color]
    return np.frombuffer(body[:, 1:].tobytes(), ">u2").reshape(height, width, channels).astype(np.uint16)
