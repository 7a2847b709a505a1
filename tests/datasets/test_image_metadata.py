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

from gan_cli.data.image_decoding import UPRIGHT, Target, decode
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


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_is_turned_once(orientation: int, compression: str | None) -> None:
    """Pillow turns TIFF itself as it loads it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved("TIFF", exif=exif, compression=compression)
    with Image.open(io.BytesIO(saved("TIFF", compression=compression))) as opened:
        stored = opened.copy()
    upright = stored if orientation == 1 else stored.transpose(UPRIGHT[orientation])
    assert np.array_equal(decode(content, TARGET), reference(upright))
    assert np.array_equal(decode(without_metadata(content), TARGET), reference(upright))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("number", range(40))
def test_tiff_with_damaged_descriptions_is_not_left_out(number: int, order: str) -> None:
    random = np.random.default_rng(number)
    description = b"a description"
    prefix = "II" if order == "<" else "MM"
    with_description = saved("TIFF", tiffinfo={270: description.decode(), 33432: "copyright"}) if order == "<" else None
    content = bytearray(with_description or _big_endian_tiff(description))
    (start,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, start)
    places = range(start + 2, start + 2 + 12 * count, 12)
    described = [place for place in places if struct.unpack_from(f"{order}H", content, place)[0] in (270, 33432)]
    assert described
    assert content[:2].decode() == prefix
    for _ in range(3):
        content[random.choice(described) + random.integers(2, 12)] = random.integers(256)
    assert np.array_equal(decode(bytes(content), TARGET), reference(PICTURE))


def _big_endian_tiff(description: bytes) -> bytes:
    """Write an uncompressed TIFF of the picture by hand, with a description."""
    pixels, place = PICTURE.tobytes(), 8 + 2 + 12 * 10 + 4
    behind = struct.pack(">HHH", 8, 8, 8) + description + b"\0"
    entries = [
        *((256, 3, 1, PICTURE.width << 16), (257, 3, 1, PICTURE.height << 16), (258, 3, 3, place)),
        *((259, 3, 1, 1 << 16), (262, 3, 1, 2 << 16), (270, 2, len(description) + 1, place + 6)),
        *((273, 4, 1, place + len(behind)), (277, 3, 1, 3 << 16), (278, 3, 1, PICTURE.height << 16)),
        (279, 4, 1, len(pixels)),
    ]
    listed = struct.pack(">H", len(entries)) + b"".join(struct.pack(">HHII", *entry) for entry in entries) + bytes(4)
    return b"MM\0*" + struct.pack(">I", 8) + listed + behind + pixels


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("number", range(30))
def test_bytes_of_exif_data_may_be_any(form: str, number: int) -> None:
    """Whatever they are, the picture is there, in one of its eight positions."""
    random = np.random.default_rng(number)
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010E: "a description", 0x0132: "2020:01:01 00:00:00", 0x829A: 0.01})
    if form != "TIFF":  # which Pillow writes no such parts of
        exif[0x8769], exif[0x8825] = {0x9003: "2020:01:01 00:00:00"}, {1: "N", 2: (1.0, 2.0, 3.0)}
    settings = {"WEBP": {"lossless": True}}.get(form, {})
    content = bytearray(saved(form, exif=exif, **settings))
    if form == "TIFF":
        places = [content.index(b"a description") + place for place in range(13)]
    else:
        data = exif.tobytes().removeprefix(b"Exif\0\0")
        places = list(range(content.index(data), content.index(data) + len(data)))
    for place in random.choice(places, random.integers(1, 9)):
        content[place] = random.integers(256)
    if form == "PNG" and number % 2:
        start = content.index(b"eXIf")
        (length,) = struct.unpack_from(">I", content, start - 4)
        struct.pack_into(">I", content, start + 4 + length, zlib.crc32(bytes(content[start : start + 4 + length])))
    with Image.open(io.BytesIO(saved(form, **settings))) as opened:
        stored = opened.convert("RGB")
    positions = [stored, *map(stored.transpose, UPRIGHT.values())]
    pixels = decode(bytes(content), TARGET)
    assert any(np.array_equal(pixels, reference(each)) for each in positions)


LARGE = {
    "JPEG": lambda: jpeg(*[(0xE2, b"MPF or something" * 4000)] * 200),
    "PNG": lambda: png((b"iTXt", b"a\0\0\0\0\0" + b"x" * 10**7), (b"eXIf", TURNED)),
    "WEBP": lambda: webp((b"XMP ", b"<" * 10**7), flags=4),
    "TIFF": lambda: saved("TIFF", tiffinfo={270: "x" * 10**7}),
}


@pytest.mark.parametrize("form", LARGE)
def test_metadata_may_be_large(form: str) -> None:
    content = LARGE[form]()
    assert len(content) > 10**7
    with Image.open(io.BytesIO(saved("JPEG" if form == "JPEG" else "PNG"))) as opened:
        expected = opened.transpose(UPRIGHT[6]) if form == "PNG" else opened.copy()
    assert np.array_equal(decode(content, TARGET), reference(expected))


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


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_damaged_pixels_are_damage_all_the_same(form: str) -> None:
    content = saved(form)
    with pytest.raises(Exception, match=r"."):
        decode(content[: len(content) // 2], TARGET)
    for length in range(len(content)):
        without_metadata(content[:length])
