"""CIFAR-10's binary distribution: small archives of the same kind, real files, and real downloads."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from gan_cli.datasets.cifar import Cifar10, CifarSplit
from gan_cli.datasets.cifar_classes import CIFAR10
from gan_cli.errors import DataError, InvalidValueError
from tests.helpers.mirrors import Mirror

ARCHIVE, FOLDER = "cifar-10-binary.tar.gz", "cifar-10-batches-bin"
NAMES = [*CifarSplit.train.value, *CifarSplit.test.value]
IMAGES = 3  # in each file


def batch(seed: int) -> bytes:
    records = np.random.default_rng(seed).integers(0, 256, (IMAGES, 3073), dtype=np.uint8)
    records[:, 0] = [seed, 9, 0]
    return records.tobytes()


FILES = {name: batch(seed) for seed, name in enumerate(NAMES)}


def packed(files: list[tuple[str, bytes | None]]) -> bytes:
    """A gzipped tar file; None for a link instead of a file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content or b""))
    return stream.getvalue()


# As in the real one: a folder of its own, texts beside the data, and files in no order.
WHOLE = [
    (f"{FOLDER}/batches.meta.txt", b"airplane\n"),
    *((f"{FOLDER}/{name}", FILES[name]) for name in reversed(NAMES)),
    (f"{FOLDER}/readme.html", b"<html></html>"),
]
CONTENT = packed(WHOLE)


class Small(Cifar10):
    """Three images a file, like CIFAR-10 in everything else."""

    images_per_file = IMAGES
    archive_bytes = len(CONTENT)
    archive_checksum = hashlib.sha256(CONTENT).hexdigest()
    checksums = MappingProxyType({name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()})


def accepting(content: bytes) -> type[Cifar10]:
    """A dataset whose published archive is this one."""
    published = {"archive_bytes": len(content), "archive_checksum": hashlib.sha256(content).hexdigest()}
    return type("Accepting", (Small,), published)


def put(root: Path, content: bytes = CONTENT) -> Path:
    place = root / "cifar10" / ARCHIVE
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def unpack(root: Path) -> Path:
    folder = root / "cifar10" / FOLDER
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def assert_whole(dataset: Cifar10) -> None:
    """Every image in its place: a pixel at row y, column x of channel c is byte 1 + 1024 c + 32 y + x of its record."""
    images = dataset.load()
    count = IMAGES * len(dataset.split.value)
    assert (images.array.shape, images.array.dtype) == ((count, *dataset.shape), np.uint8)
    assert images.labels is not None
    assert images.labels.dtype == np.int64
    assert images.labels.max() < dataset.classes
    for index in range(count):
        content = FILES[dataset.split.value[index // IMAGES]]
        record = content[3073 * (index % IMAGES) :]
        assert images.labels[index] == record[0]
        for channel, y, x in ((0, 0, 0), (0, 0, 31), (1, 5, 7), (2, 31, 31)):
            assert images.array[index, channel, y, x] == record[1 + 1024 * channel + 32 * y + x]


@pytest.mark.parametrize("split", CifarSplit)
def test_the_archive_is_read_in_place(tmp_path: Path, split: CifarSplit) -> None:
    put(tmp_path)
    assert_whole(Small(str(tmp_path), (), split))
    assert [path.name for path in (tmp_path / "cifar10").iterdir()] == [ARCHIVE]


@pytest.mark.parametrize("split", CifarSplit)
def test_unpacked_files_are_used(tmp_path: Path, split: CifarSplit) -> None:
    unpack(tmp_path)
    assert_whole(Small(str(tmp_path), (), split))


def test_downloads_once_and_leaves_nothing_else(tmp_path: Path, mirrors: list[Mirror]) -> None:
    mirrors[0].answers = {f"/data/{ARCHIVE}": (200, CONTENT)}
    for _ in range(2):
        assert_whole(Small(str(tmp_path), (mirrors[0].url,)))
    assert mirrors[0].asked == [f"/data/{ARCHIVE}"]
    assert [path.name for path in (tmp_path / "cifar10").iterdir()] == [ARCHIVE]


@pytest.mark.parametrize(
    ("body", "missing", "reason"),
    [
        (CONTENT[:-100], 0, f"sent a wrong file: truncated: {len(CONTENT) - 100} bytes, expected {len(CONTENT)}"),
        (CONTENT[:-100], 100, "IncompleteRead"),
        (CONTENT[:-1] + b"x", 0, "sent a wrong file: its content has SHA-256"),
        (CONTENT + b"x", 0, f"sent more than the {len(CONTENT):,} bytes"),
    ],
    ids=["truncated", "broken off", "wrong content", "too long"],
)
def test_a_wrong_download_gets_no_name_and_the_next_mirror_helps_out(
    tmp_path: Path,
    mirrors: list[Mirror],
    body: bytes,
    missing: int,
    reason: str,
) -> None:
    mirrors[0].answers = {f"/data/{ARCHIVE}": (200, body)}
    mirrors[0].missing = missing
    with pytest.raises(DataError) as caught:
        Small(str(tmp_path), (mirrors[0].url,)).load()
    message = str(caught.value)
    assert reason in message
    assert f"Put {ARCHIVE} (or the folder {FOLDER} unpacked from it) into {tmp_path / 'cifar10'}" in message
    assert "dataset.root=DIR" in message
    assert caught.value.exit_status == 3
    assert not (tmp_path / "cifar10").exists()
    mirrors[1].answers = {f"/data/{ARCHIVE}": (200, CONTENT)}
    assert_whole(Small(str(tmp_path), tuple(mirror.url for mirror in mirrors)))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (CONTENT[:-100], f"truncated: {len(CONTENT) - 100} bytes, expected {len(CONTENT)}"),
        (CONTENT + b"x", f"{len(CONTENT) + 1} bytes, expected {len(CONTENT)}"),
        (
            CONTENT[:-1] + b"x",
            f"its content has SHA-256 {hashlib.sha256(CONTENT[:-1] + b'x').hexdigest()},"
            f" expected {Small.archive_checksum}",
        ),
    ],
)
def test_a_wrong_archive_that_is_there_is_never_replaced_but_advice_is_printed(
    tmp_path: Path,
    mirrors: list[Mirror],
    content: bytes,
    found: str,
) -> None:
    mirrors[0].answers = {f"/data/{ARCHIVE}": (200, CONTENT)}
    place = put(tmp_path, content)
    with pytest.raises(DataError) as caught:
        Small(str(tmp_path), (mirrors[0].url,)).load()
    assert str(caught.value).startswith(f"{place}: {found}. It is not the file that CIFAR-10 is published as")
    assert "elete" not in str(caught.value)
    assert place.read_bytes() == content
    assert mirrors[0].asked == []


FIRST = f"{FOLDER}/{NAMES[0]}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed([(FIRST, FILES[NAMES[0]][:-1])]), f"{FIRST} is 9218 bytes; expected one file of 9219 bytes"),
        (packed([(FIRST, FILES[NAMES[0]] + b"x")]), f"{FIRST} is 9220 bytes; expected one file of 9219 bytes"),
        (packed([(FIRST, None)]), f"{FIRST} is no regular file"),
        (packed([*WHOLE, (FIRST, FILES[NAMES[0]])]), f"{FIRST} is there twice"),
        (packed(WHOLE[:-2]), f"without {FIRST}"),
        (packed([(f"../{name}", content) for name, content in WHOLE]), f"without {FIRST}"),
        (packed([(FIRST, bytes([10]) + FILES[NAMES[0]][1:])]), "holds the label 10; expected labels from 0 to 9"),
        (CONTENT[: len(CONTENT) // 2], "its data are damaged"),
        (gzip.compress(gzip.decompress(CONTENT)[:20_000]), "its data are damaged"),
        (gzip.compress(b"no tar" * 1000), "its data are damaged"),
        (b"no gzip", "its data are damaged"),
    ],
    ids=[
        "short member",
        "long member",
        "link",
        "twice",
        "missing",
        "elsewhere",
        "label",
        "half a gzip",
        "half a tar",
        "no tar",
        "no gzip",
    ],
)
def test_archives_of_another_content_are_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    place = put(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        accepting(content)(str(tmp_path), ()).load()
    assert str(caught.value).startswith(str(place))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (NAMES[2], FILES[NAMES[2]][:-1], "truncated: 9218 bytes, expected 9219"),
        (NAMES[2], FILES[NAMES[2]] + b"more", "too long: 9223 bytes, expected 9219"),
        (NAMES[2], FILES[NAMES[1]], f"has SHA-256 {Small.checksums[NAMES[1]]}, expected {Small.checksums[NAMES[2]]}"),
    ],
)
def test_wrong_unpacked_files_are_refused_by_name(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    folder = unpack(tmp_path)
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        Small(str(tmp_path), ()).load()
    assert str(caught.value).startswith(str(folder / name))


def test_labels_of_unpacked_files_are_checked(tmp_path: Path) -> None:
    content = bytes([200]) + FILES[NAMES[5]][1:]
    unpack(tmp_path).joinpath(NAMES[5]).write_bytes(content)

    class Other(Small):
        checksums = MappingProxyType({NAMES[5]: hashlib.sha256(content).hexdigest()})

    with pytest.raises(DataError, match=f"{NAMES[5]}: holds the label 200; expected labels from 0 to 9"):
        Other(str(tmp_path), (), CifarSplit.test).load()


def test_half_an_unpacked_folder_is_named_not_completed(tmp_path: Path) -> None:
    folder = unpack(tmp_path)
    (folder / NAMES[1]).unlink()
    with pytest.raises(DataError, match=f"{FOLDER}: without {NAMES[1]}; expected {NAMES[0]}, "):
        Small(str(tmp_path), ()).load()
    assert_whole(Small(str(tmp_path), (), CifarSplit.test))


def test_what_is_published_is_what_is_expected() -> None:
    assert Cifar10("data", ()).file_bytes == 30_730_000
    assert set(Cifar10.checksums) == set(NAMES)
    assert len({checksum for checksum in Cifar10.checksums.values() if len(checksum) == 64}) == 6


@pytest.mark.parametrize(("root", "mirrors", "key"), [("", (), "root"), ("data", ("ftp://x/",), "mirrors")])
def test_wrong_values_are_refused(root: str, mirrors: tuple[str, ...], key: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        Cifar10(root, mirrors)
    assert caught.value.key == key


@pytest.mark.parametrize(("split", "count"), [(CifarSplit.train, 50_000), (CifarSplit.test, 10_000)])
def test_the_real_cifar10(split: CifarSplit, count: int, real_data: Path) -> None:
    if not (real_data / "cifar10").is_dir():
        pytest.skip("needs CIFAR-10: the data root has no folder cifar10")
    images = Cifar10(str(real_data), (), split).load()
    assert images.array.shape == (count, 3, 32, 32)
    assert images.labels is not None
    assert np.bincount(images.labels).tolist() == [count // 10] * 10


@pytest.mark.parametrize("folder", ["", "CIFAR10"])
def test_files_are_found_where_torchvision_unpacks_them(tmp_path: Path, folder: str) -> None:
    unpack(tmp_path).rename(tmp_path / "unpacked")
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / "unpacked").rename(tmp_path / folder / FOLDER)
    assert_whole(Small(str(tmp_path), ()))
    assert_whole(Small(str(tmp_path), (), CifarSplit.test))


def test_labels_have_names(tmp_path: Path) -> None:
    put(tmp_path)
    assert Small(str(tmp_path), ()).load().class_names == CIFAR10


@pytest.mark.parametrize("place", ["", "cifar10"])
@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "cifar-10-batches-py"])
def test_the_edition_of_pickles_is_explained_and_never_opened(tmp_path: Path, place: str, name: str) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    os.mkfifo(tmp_path / place / name)  # to open it would wait without end
    with pytest.raises(DataError, match="made of pickles, which can run code") as caught:
        Small(str(tmp_path), ()).load()
    assert str(caught.value).startswith(str(tmp_path / place / name))
    assert f"Put {ARCHIVE}" in str(caught.value)


def test_the_binary_edition_is_downloaded_beside_the_pickles(
    tmp_path: Path,
    mirrors: list[Mirror],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    mirrors[0].answers = {f"/data/{ARCHIVE}": (200, CONTENT)}
    assert_whole(Small(str(tmp_path), (mirrors[0].url,)))
    assert "made of pickles" in caplog.text
