"""Archives that nothing is read from: names that lead out, encryption, bombs, damage and endless padding."""

from __future__ import annotations

import gzip
import os
import zipfile
from pathlib import Path

import pytest

from gan_cli.errors import DataError
from tests.helpers.archives import archived, packed, png, tarred, zipped

KINDS = ("a.zip", "a.tar", "a.tar.gz")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


BAD_NAMES = ("/etc/x.png", "../x.png", "a/../../x.png", "C:\\x.png", "..\\x.png", "\\x.png", "a/../x.png")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_lead_out_are_refused(kind: str, name: str, tmp_path: Path, root: Path) -> None:
    path = packed(tmp_path / kind, {"1.png": png(1), name: png(2)})
    with pytest.raises(DataError, match=r"absolute name|leads out of it") as caught:
        archived(path, root).load()
    assert str(caught.value).startswith(f"{path}: ")
    assert caught.value.exit_status == 3


def test_two_members_of_one_name(tmp_path: Path, root: Path) -> None:
    zipped(tmp_path / "a.zip", {"a.png": png(0), "./a.png": png(1)})
    tarred(tmp_path / "a.tar", {"a.png": png(0), "./a.png": png(1)})
    for name in ("a.zip", "a.tar"):
        with pytest.raises(DataError, match=r"two members have the name a\.png"):
            archived(tmp_path / name, root).load()


def encrypted(path: Path) -> Path:
    content = bytearray(zipped(path, {"1.png": png(1)}).read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    return path


def test_encrypted_and_foreign_archives(tmp_path: Path, root: Path) -> None:
    with pytest.raises(DataError, match=r"1\.png is encrypted; expected an archive without a password"):
        archived(encrypted(tmp_path / "a.zip"), root).load()
    with pytest.raises(DataError, match="compressed by the method 14 of zip"):
        archived(zipped(tmp_path / "b.zip", {"1.png": png(1)}, zipfile.ZIP_LZMA), root).load()
    for content, message in (
        (b"BZh91AY", "of the kind bzip2"),
        (b"\xfd7zXZ\0", "of the kind xz"),
        (b"Rar!\x1a", "of the kind rar"),
        (png(0), "no zip or tar archive: it begins with '89 50 4e 47'"),
        (b"", "no zip or tar archive"),
        (gzip.compress(b"no tar" * 1000), "a damaged or truncated archive"),
    ):
        (tmp_path / "c.zip").write_bytes(content)
        with pytest.raises(DataError, match=message):
            archived(tmp_path / "c.zip", root).load()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_truncated_archives(kind: str, share: float, tmp_path: Path, root: Path) -> None:
    path = packed(tmp_path / kind, {f"{seed}.png": png(seed) for seed in range(20)})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content.rstrip(b"\0")))])
    with pytest.raises(DataError, match=r"damaged or truncated"):
        archived(path, root).load()
    assert not root.exists()


def test_endless_padding_is_not_skipped_byte_by_byte(tmp_path: Path, root: Path) -> None:
    path = tarred(tmp_path / "a.tar.gz", {"1.png": png(1)})
    os.truncate(path, path.stat().st_size + 5000)
    assert len(archived(path, root).load().array) == 1
    os.truncate(path, 2**36)
    with pytest.raises(DataError, match="zeros behind the gzip data"):
        archived(path, root).load()


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
def test_a_bomb_is_refused_before_it_is_unpacked(
    kind: str, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gan_cli.data.archives.HARMLESS_BYTES", 2**20)
    path = packed(tmp_path / kind, {f"{number}.bmp": bytes(2**20) for number in range(4)})
    with pytest.raises(DataError, match="a bomb"):
        archived(path, root).load()


def test_a_member_that_is_too_long_is_left_out(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gan_cli.data.image_decoding.MAX_FILE_BYTES", 2**16)
    path = zipped(tmp_path / "a.zip", {"1.png": png(1), "2.bmp": bytes(2**17)})
    assert len(archived(path, root, max_pixels=1000).load().array) == 1
    assert "2.bmp (131,072 bytes; an image has 65,536 at most)" in caplog.text


def test_too_many_members(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_cli.data.archives.MAX_MEMBERS", 2)
    path = zipped(tmp_path / "a.zip", {f"{number}.png": b"" for number in range(3)})
    with pytest.raises(DataError, match="more than 2 members"):
        archived(path, root).load()
