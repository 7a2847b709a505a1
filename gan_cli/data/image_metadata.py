"""Encoded images without their metadata: broken texts, profiles and dates say nothing against the pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

PNG_SIGNATURE, JPEG_SIGNATURE = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
# Chunks beside those that a PNG file cannot be without, which have capital letters: transparency, and EXIF data.
PNG_KEPT = (b"tRNS", b"eXIf")
WEBP_KEPT = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"EXIF")
# Entries of a TIFF file that its pixels depend on, and which side is up; others are descriptions, dates and profiles.
TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
TIFF_KEPT = frozenset(
    [
        *(254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332),
        *(338, 339, 347, 513, 514, 529, 530, 531, 532),
    ]
)
TIFF_ENTRY = 12
ORIENTATION_TAG, SHORT = 274, 3
# Bits of the extended WebP header that announce a profile, and XMP.
WEBP_DROPPED_FLAGS = 0x20 | 0x04
JPEG_START_OF_SCAN = 0xDA
# Application data and comments. Whole ones are kept where pixels or their orientation depend on them.
JPEG_METADATA = (*range(0xE0, 0xF0), 0xFE)
JPEG_KEPT = {0xE0: (b"JFIF\0", 14), 0xE1: (b"Exif\0\0", 14), 0xEE: (b"Adobe", 12)}


def without_metadata(content: bytes) -> bytes:
    """Return an encoded image without metadata but its EXIF data, which tell which side is up.

    Args:
        content: of a PNG, JPEG, WebP or TIFF file, damaged in any way; others are returned as they are.
    """
    if content.startswith(PNG_SIGNATURE):
        return PNG_SIGNATURE + b"".join(_png_chunks(content))
    if content.startswith(JPEG_SIGNATURE):
        return JPEG_SIGNATURE + b"".join(_jpeg_segments(content))
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        chunks = b"".join(_webp_chunks(content))
        return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks
    if content[:4] in TIFF_ORDERS:
        return _bare_tiff(content, TIFF_ORDERS[content[:4]])
    return content


def _bare_tiff(content: bytes, order: str) -> bytes:
    """Return a TIFF file of one page, whose list of entries is in its place, and shorter."""
    (start,) = struct.unpack_from(f"{order}I", content.ljust(8, b"\0"), 4)
    if start + 2 > len(content):
        return content
    (count,) = struct.unpack_from(f"{order}H", content, start)
    places = range(start + 2, min(start + 2 + TIFF_ENTRY * count, len(content) - TIFF_ENTRY + 1), TIFF_ENTRY)
    entries = [content[place : place + TIFF_ENTRY] for place in places]
    kept = [entry for entry in entries if _is_kept(struct.unpack_from(f"{order}HHI", entry))]
    if len(kept) == len(entries):
        return content
    listed = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + bytes(4)  # no other page
    return content[:start] + listed + content[start + len(listed) :]


def _is_kept(entry: tuple[int, int, int]) -> bool:
    """Return whether an entry is of the pixels: its tag, the type of its values, and their number."""
    tag, kind, count = entry
    return tag in TIFF_KEPT and (tag != ORIENTATION_TAG or (kind, count) == (SHORT, 1))


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
