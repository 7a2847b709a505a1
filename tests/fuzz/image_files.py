"""Pictures with any metadata, trees of folders with any names, and caches whose files are replaced."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from gan_cli.data.image_cache import cache_key, open_cache
from gan_cli.data.image_decoding import Target, decode
from gan_cli.data.image_metadata import without_metadata
from gan_cli.datasets.image_folder import ImageFolder
from tests.fuzz import strategies
from tests.fuzz.data_files import CHANGES

TARGET = Target((4, 4), 1)


def _saved(form: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (7, 5), (9, 200, 30)).save(stream, form)
    return stream.getvalue()


PNG, JPEG, WEBP, TIFF = map(_saved, ("PNG", "JPEG", "WEBP", "TIFF"))
ORIENTATION = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
STARTS = [
    *(b"", b"Exif\0\0", b"Exif\0\0" + ORIENTATION, ORIENTATION, b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0"),
    *(b"a\0\0", b"a\0\1\0\0\0", b"XML:com.adobe.xmp\0\1\0\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"),
    *(b"ICC_PROFILE\0\1\1", b"JFIF\0", b"Adobe", b"MPF\0", b"Photoshop 3.0\0", b"Raw profile type exif\0"),
    *(b"<x tiff:Orientation='6'/>", b"a\0\0" + zlib.compress(bytes(2 * 10**6))),
]
DATA = st.builds(bytes.__add__, st.sampled_from(STARTS), st.binary(max_size=40))
PNG_KINDS = [b"eXIf", b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"tIME", b"acTL", b"fcTL", b"cICP", b"xxxx"]  # fmt: skip
JPEG_KINDS = [0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE]
TIFF_KINDS = [270, 271, 274, 282, 305, 306, 700, 33432, 33723, 34377, 34665, 34675, 34853, 40965, 65000]
WEBP_KINDS = [b"EXIF", b"XMP ", b"xxxx"]
METADATA = st.tuples(
    st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF"]),
    st.lists(st.tuples(st.integers(0, 99), DATA, st.booleans()), max_size=4),
)


def picture_with(form: str, parts: list[tuple[int, bytes, bool]]) -> bytes:
    """A whole picture with metadata: the kind's number, its data, and whether its checksum or length is right."""
    if form == "PNG":
        chunks = b""
        for number, data, right in parts:
            kind = PNG_KINDS[number % len(PNG_KINDS)]
            chunks += struct.pack(">I4s", len(data), kind) + data
            chunks += struct.pack(">I", zlib.crc32(kind + data) ^ (not right))
        return PNG[:33] + chunks + PNG[33:]
    if form == "JPEG":
        segments = b"".join(
            struct.pack(">BBH", 0xFF, JPEG_KINDS[number % len(JPEG_KINDS)], len(data) + 2) + data
            for number, data, _ in parts
        )
        return JPEG[:2] + segments + JPEG[2:]
    if form == "TIFF":
        return _tiff_with(parts)
    flags = sum({0x08 if number % 3 == 0 else 0x04 for number, _, right in parts if right and number % 3 < 2})
    body = b"VP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0, 6, 0, 0, 4, 0, 0]) + WEBP[12:]
    for number, data, _ in parts:
        body += WEBP_KINDS[number % 3] + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _tiff_with(parts: list[tuple[int, bytes, bool]]) -> bytes:
    """The TIFF file with a new list of entries at its end, those of metadata among them, and their data behind it."""
    (start,) = struct.unpack_from("<I", TIFF, 4)
    (count,) = struct.unpack_from("<H", TIFF, start)
    entries = [TIFF[place : place + 12] for place in range(start + 2, start + 2 + 12 * count, 12)]
    place, behind = len(TIFF) + 2 + 12 * (count + len(parts)) + 4, b""
    for number, data, right in parts:
        tag, kind = TIFF_KINDS[number % len(TIFF_KINDS)], number % 14
        entries.append(struct.pack("<HHII", tag, kind, len(data) if right else 2**31, place + len(behind)))
        behind += data
    listed = struct.pack("<H", len(entries)) + b"".join(sorted(entries)) + bytes(4)
    return TIFF[:4] + struct.pack("<I", len(TIFF)) + TIFF[8:] + listed + behind


def metadata(drawn: tuple[str, list[tuple[int, bytes, bool]]]) -> None:
    """Decode a picture whose pixels are whole: it is never left out, and has one colour whichever side is up."""
    content = picture_with(*drawn)
    pixels = decode(content, TARGET)
    assert pixels.shape == TARGET.shape
    assert np.ptp(pixels) == 0
    assert np.array_equal(decode(without_metadata(content), TARGET), pixels)


NAMES = st.sampled_from(
    ["a", "b", "a/c", "@eaDir", "$RECYCLE.BIN", ".git", "__MACOSX", "lost+found", "outputs/x", ".hydra", "samples", "ä",
     "a" * 200, "\udcff", "a\nb", "\x1b[31m", "x.png", " ", "..."]
)  # fmt: skip
FILES = st.sampled_from(
    ["1.png", "2.JPG", ".3.png", "4.txt", ".hydra/config.yaml", "multirun.yaml", "\udcff.png", "\n.png"]
)
TREE = st.tuples(
    st.lists(st.tuples(NAMES, FILES, st.sampled_from(list(CHANGES)), st.booleans()), max_size=6), st.booleans()
)


def _clear() -> None:
    for entry in os.scandir():
        (shutil.rmtree if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)


def tree(drawn: tuple[list[tuple[str, str, str, bool]], bool]) -> None:
    """Load a folder of images, where folders have any names, and files are whole, damaged or none at all; twice."""
    files, strict = drawn
    _clear()
    for folder, name, change, whole in files:
        path = Path("images", folder, name)
        with contextlib.suppress(OSError):  # one of its folders is a file already, or the other way round
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # a FIFO would be waited for
            path.write_bytes(PNG if whole else PNG[:40])
            CHANGES[change](path)
    Path("images").mkdir(exist_ok=True)
    dataset = ImageFolder(path="images", root="root", size=4, channels=1, strict=strict, workers=1)
    first, second = dataset.load(), dataset.load()
    assert np.array_equal(first.array, second.array)
    assert first.class_names == second.class_names
    assert not set(first.class_names) & {"@eaDir", "$RECYCLE.BIN", ".git", "__MACOSX", "lost+found", ".hydra"}


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


KEY = cache_key(TARGET, [b"x"])
META = {
    "format": 1,
    "key": KEY,
    "shape": [2, 1, 4, 4],
    "classes": ["a", "b"],
    "skipped": 1,
    "failures": [],
    "unread": 1,
}
WHOLE = {
    "meta.json": strategies.json_text(META).encode(),
    "pixels.npy": _npy(np.zeros((2, 1, 4, 4), np.uint8)),
    "labels.npy": _npy(np.zeros(2, np.int64)),
    "unread.npy": _npy(np.zeros(1, np.int64)),
}
CHANGED_META = st.tuples(st.sampled_from(list(META)), strategies.VALUES).map(
    lambda change: strategies.json_text({**META, change[0]: change[1]}).encode()
)
CACHE = st.tuples(
    st.sampled_from(list(WHOLE)).flatmap(lambda name: st.tuples(st.just(name), strategies.damaged(WHOLE[name])))
    | st.tuples(st.just("meta.json"), CHANGED_META)
    | st.tuples(st.just("meta.json"), st.just(WHOLE["meta.json"])),
    st.sampled_from(list(WHOLE)),
    st.sampled_from(list(CHANGES)),
)


def cache(drawn: tuple[tuple[str, bytes], str, str]) -> None:
    """Open a cache one of whose files has other contents, and one of whose files is replaced."""
    (name, content), replaced, change = drawn
    _clear()
    place = Path("store", KEY)
    place.mkdir(parents=True)
    for each, whole in (WHOLE | {name: content}).items():
        (place / each).write_bytes(whole)
    replace: Callable[[Path], object] = CHANGES[change]
    replace(place / replaced)
    cached = open_cache(Path("store"), KEY, TARGET)
    if cached is None:
        assert not place.exists()
    else:
        assert cached.images.array.shape == (2, 1, 4, 4)
        assert cached.images.labels is None or set(cached.images.labels.tolist()) <= {0, 1}
