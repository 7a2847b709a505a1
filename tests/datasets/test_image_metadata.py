"""Good pictures with broken metadata: they are upright and without a profile, not left out."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli.data.image_decoding import Target, decode
from gan_cli.data.image_metadata import without_metadata
from tests.helpers.image_trees import SIZE, dataset, picture, reference

TARGET = Target((SIZE, SIZE), 3)
PICTURE = picture(0, 40, 25)
# One entry, the orientation: turned by 90 degrees.
TURNED = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"


def saved(form: str, **settings: object) -> bytes:
    stream = io.BytesIO()
    PICTURE.save(stream, form, **settings)
    return stream.getvalue()


def png(*chunks: tuple[bytes, bytes], last: bool = False) -> bytes:
    """A PNG file with these chunks before its pixels, or after them."""
    inserted = b"".join(
        struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    content = saved("PNG")
    position = len(content) - 12 if last else 33
    return content[:position] + inserted + content[position:]


def jpeg(*segments: tuple[int, bytes]) -> bytes:
    content = saved("JPEG")
    inserted = b"".join(struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in segments)
    return content[:2] + inserted + content[2:]


def webp(*chunks: tuple[bytes, bytes], flags: int) -> bytes:
    """A WebP file in the extended format with these chunks after its pixels."""
    header = bytes([flags, 0, 0, 0]) + (39).to_bytes(3, "little") + (24).to_bytes(3, "little")
    parts = [(b"VP8X", header), (b"", saved("WEBP", lossless=True)[12:]), *chunks]
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) if kind else data for kind, data in parts
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def with_wrong_checksum(content: bytes, kind: bytes) -> bytes:
    changed = bytearray(content)
    start = changed.index(kind)
    (length,) = struct.unpack_from(">I", changed, start - 4)
    changed[start + 4 + length] ^= 1
    return bytes(changed)


ENTRIES_BEYOND = b"II*\0\x08\0\0\0\xff\xff"
LOOP = b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"
TEXT_OF_GIGABYTES = zlib.compress(bytes(10**7))
BROKEN = {
    "png exif": png((b"eXIf", b"no TIFF header")),
    "png exif last": png((b"eXIf", b"MM"), last=True),
    "png exif of BigTIFF": png((b"eXIf", b"II+\0\x08\0\0\0" + b"\xff" * 40)),
    "png exif, entries beyond its end": png((b"eXIf", ENTRIES_BEYOND)),
    "png exif that refers to itself": png((b"eXIf", LOOP)),
    "png exif, checksum": with_wrong_checksum(png((b"eXIf", TURNED)), b"eXIf"),
    "png exif as text": png((b"tEXt", b"Raw profile type exif\0\nexif\n 10\nno hexadecimal")),
    "png xmp": png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0\xff\xfe<")),
    "png xmp bomb": png((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + TEXT_OF_GIGABYTES)),
    "png profile": png((b"iCCP", b"a\0\0no zlib")),
    "png profile without a name": png((b"iCCP", b"")),
    "png profile by another method": png((b"iCCP", b"a\0\7x")),
    "png profile bomb": png((b"iCCP", b"a\0\0" + TEXT_OF_GIGABYTES)),
    "png text, checksum": with_wrong_checksum(png((b"tEXt", b"a\0b")), b"tEXt"),
    "png text by another method": png((b"zTXt", b"a\0\7x")),
    "png text bomb": png((b"zTXt", b"a\0\0" + TEXT_OF_GIGABYTES)),
    "png text bomb last": png((b"zTXt", b"a\0\0" + TEXT_OF_GIGABYTES), last=True),
    "png of many texts": png(*[(b"tEXt", b"%d\0" % number + b"x" * 10**6) for number in range(70)]),
    "png resolution": png((b"pHYs", b"x")),
    "png gamma": png((b"gAMA", b"")),
    "png animation": png((b"acTL", b"x")),
    "jpeg exif": jpeg((0xE1, b"Exif\0\0no TIFF header")),
    "jpeg exif cut": jpeg((0xE1, b"Exif")),
    "jpeg exif, entries beyond its end": jpeg((0xE1, b"Exif\0\0" + ENTRIES_BEYOND)),
    "jpeg xmp": jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0\xff\xfe<")),
    "jpeg profile": jpeg((0xE2, b"ICC_PROFILE\0\x09\0garbage")),
    "jpeg profile cut": jpeg((0xE2, b"ICC_PROFILE\0")),
    "jpeg of several pictures": jpeg((0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff")),
    "jpeg jfif cut": jpeg((0xE0, b"JFIF\0\1")),
    "jpeg adobe cut": jpeg((0xEE, b"Adobe")),
    "jpeg photoshop": jpeg((0xED, b"Photoshop 3.0\x008BIM\3\xed\0\0\xff\xff\xff\xff")),
    "webp exif": webp((b"EXIF", b"no TIFF header"), flags=8),
    "webp exif cut": webp((b"EXIF", TURNED), flags=8)[:-6],
    "webp xmp": webp((b"XMP ", b"\xff\xfe<"), flags=4),
    "webp profile announced": webp(flags=0x20),
}


@pytest.mark.parametrize("name", BROKEN)
def test_good_picture_with_broken_metadata_is_upright(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(BROKEN[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = dataset(tmp_path / "images", tmp_path / "root", workers=1).load().array
    expected = PICTURE if not name.startswith("jpeg") else Image.open(io.BytesIO(saved("JPEG")))
    assert np.array_equal(pixels[0], reference(expected))
    assert "left out" not in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        png((b"eXIf", TURNED), (b"iCCP", b"")),
        webp((b"EXIF", b"Exif\0\0" + TURNED), (b"XMP ", b"\xff"), flags=12),
        jpeg((0xE1, b"Exif\0\0" + TURNED), (0xEE, b"Adobe")),
    ],
)
def test_orientation_survives_other_broken_metadata(content: bytes) -> None:
    turned = reference(
        Image.open(io.BytesIO(saved("JPEG" if content[:2] == b"\xff\xd8" else "PNG"))).transpose(
            Image.Transpose.ROTATE_270
        )
    )
    assert np.array_equal(decode(content, TARGET), turned)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_pixels_do_not_depend_on_metadata(form: str) -> None:
    content = saved(form, exif=b"Exif\0\0" + TURNED, icc_profile=b"profile", xmp=b"<x/>")
    bare = without_metadata(content)
    assert b"profile" not in bare
    assert len(bare) < len(content)
    assert np.array_equal(decode(bare, TARGET), decode(content, TARGET))
    transparent = io.BytesIO()
    PICTURE.quantize(8).save(transparent, "PNG", transparency=0)
    assert np.array_equal(
        decode(without_metadata(transparent.getvalue()), TARGET), decode(transparent.getvalue(), TARGET)
    )


def test_cmyk_keeps_its_colours_without_metadata() -> None:
    stream = io.BytesIO()
    PICTURE.convert("CMYK").save(stream, "JPEG")
    assert np.array_equal(decode(without_metadata(stream.getvalue()), TARGET), decode(stream.getvalue(), TARGET))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_damaged_pixels_are_damage_all_the_same(form: str) -> None:
    content = saved(form)
    with pytest.raises(Exception, match=r"."):
        decode(content[: len(content) // 2], TARGET)
    for length in range(len(content)):
        without_metadata(content[:length])
