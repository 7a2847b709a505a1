"""Encoded images without their metadata: broken texts, profiles and dates say nothing against the pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

PNG_SIGNATURE, JPEG_SIGNATURE = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
# Chunks beside those that a PNG file cannot be without, which have capital letters: transparency, and EXIF data.
PNG_KEPT = (b"tRNS", b"eXIf")
WEBP_KEPT = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"EXIF")
# Bits of the extended WebP header that announce a profile, and XMP.
WEBP_DROPPED_FLAGS = 0x20 | 0x04
JPEG_START_OF_SCAN = 0xDA
# Application data and comments. Whole ones are kept where pixels or their orientation depend on them.
JPEG_METADATA = (*range(0xE0, 0xF0), 0xFE)
JPEG_KEPT = {0xE0: (b"JFIF\0", 14), 0xE1: (b"Exif\0\0", 14), 0xEE: (b"Adobe", 12)}


def without_metadata(content: bytes) -> bytes:
    """Return an encoded image without metadata but its EXIF data, which tell which side is up.

    Args:
        content: of a PNG, JPEG or WebP file, damaged in any way; others are returned as they are.
    """
    if content.startswith(PNG_SIGNATURE):
        return PNG_SIGNATURE + b"".join(_png_chunks(content))
    if content.startswith(JPEG_SIGNATURE):
        return JPEG_SIGNATURE + b"".join(_jpeg_segments(content))
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        chunks = b"".join(_webp_chunks(content))
        return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks
    return content


def _png_chunks(content: bytes) -> Iterator[bytes]:
    position = len(PNG_SIGNATURE)
    while position + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        chunk = content[position : position + 12 + length]
        position += len(chunk)
        whole = len(chunk) == 12 + length and chunk[-4:] == struct.pack(">I", zlib.crc32(chunk[4:-4]))
        if kind.isupper() or (kind in PNG_KEPT and whole):
            yield chunk


def _jpeg_segments(content: bytes) -> Iterator[bytes]:
    position = len(JPEG_SIGNATURE)
    while position + 4 <= len(content):
        prefix, marker, length = struct.unpack_from(">BBH", content, position)
        if prefix != 0xFF or marker == JPEG_START_OF_SCAN or length < 2:
            break
        segment = content[position : position + 2 + length]
        position += len(segment)
        start, size = JPEG_KEPT.get(marker, (b"", 0))
        if marker not in JPEG_METADATA or (size and segment.startswith(start, 4) and length >= size):
            yield segment
    yield content[position:]


def _webp_chunks(content: bytes) -> Iterator[bytes]:
    position = 12
    while position + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, position)
        end = position + 8 + length + length % 2
        chunk, position = content[position:end], end
        if kind == b"VP8X" and len(chunk) == 18:
            yield chunk[:8] + bytes([chunk[8] & ~WEBP_DROPPED_FLAGS]) + chunk[9:]
        elif kind in WEBP_KEPT and len(chunk) >= 8 + length:
            yield chunk
