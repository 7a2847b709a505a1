"""Images in archives: the same data as in a folder, other layouts, and archives that nothing is read from."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan_cli.data.image_layout import FolderSplit
from gan_cli.datasets.image_archive import ImageArchive
from gan_cli.errors import DataError, InvalidValueError
from gan_cli.evaluation.real_data import find_test_split
from gan_cli.protocols.data import CountableImages, ExampleImages, OwnFiles
from tests.helpers.archives import archived, packed, png, tar_bytes, tarred, zipped
from tests.helpers.image_trees import SIZE, dataset, tree

KINDS = ("a.zip", "a.tar", "a.tar.gz")
TREE = ("cat/1.png", "cat/2.jpg", "dog/1.webp", "dog/deep/2.bmp", "10/1.tif")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def members(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in sorted(names)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefix", ["", "./", "photos/", "a/b/"])
def test_an_archive_is_read_as_the_folder_in_it(kind: str, prefix: str, tmp_path: Path, root: Path) -> None:
    tree(tmp_path / "photos", *TREE)
    content = {f"{prefix}{name}": content for name, content in members(tmp_path / "photos", TREE).items()}
    expected = dataset(tmp_path / "photos", root).load()
    loaded = archived(packed(tmp_path / kind, content), root).load()
    assert np.array_equal(loaded.array, expected.array)
    assert loaded.labels is not None
    assert expected.labels is not None
    assert loaded.labels.tolist() == expected.labels.tolist()
    assert loaded.class_names == expected.class_names == ("10", "cat", "dog")


@pytest.mark.parametrize("kind", KINDS)
def test_examples_are_decoded_without_the_others(kind: str, tmp_path: Path, root: Path) -> None:
    tree(tmp_path / "photos", *TREE)
    data = archived(packed(tmp_path / kind, members(tmp_path / "photos", TREE)), root)
    assert isinstance(data, ExampleImages)
    examples = data.load_examples(2, tmp_path / "scratch")
    assert np.array_equal(examples.array, data.load().array[[0, 2]])
    assert examples.labels is None


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_a_table_beside_the_archive(kind: str, tmp_path: Path, root: Path) -> None:
    tree(tmp_path / "photos", *TREE)
    path = packed(
        tmp_path / kind, {f"photos/{name}": data for name, data in members(tmp_path / "photos", TREE).items()}
    )
    (tmp_path / "ages.csv").write_text("file,age\ncat/1.png,1.5\ndog/1.webp,3.25\n10/1.tif,2.0\n")
    data = replace(archived(path, root), labels="ages.csv")
    assert data.count_images() == 3
    loaded = data.load()
    assert loaded.labels is None
    assert loaded.vectors is not None
    assert loaded.vectors.condition.names == ("age",)
    assert loaded.vectors.condition.ranges == ((1.5, 3.25),)
    all_pictures = dataset(tmp_path / "photos", root).load().array
    by_age = [sorted(TREE).index(name) for name in ("cat/1.png", "10/1.tif", "dog/1.webp")]
    order = np.argsort(loaded.vectors.values[:, 0])
    assert np.array_equal(loaded.array[order], all_pictures[by_age])
    (tmp_path / "ages.csv").write_text("file,age\ncat/9.png,1.5\n")
    with pytest.raises(DataError, match=r"cat/9\.png"):
        data.load()


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs the command tar")
@pytest.mark.parametrize("form", ["gnu", "ustar", "pax", "v7"])
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_archives_of_the_command_tar(form: str, suffix: str, tmp_path: Path, root: Path) -> None:
    long = "d" * 60 if form in ("ustar", "v7") else "d" * 150
    names = (f"{long}/1.png", "ä/2.png", "ä/3.png")
    tree(tmp_path / "photos", *names)
    path = tmp_path / f"a{suffix}"
    packing = ["tar", f"--format={form}", "-caf", str(path), "-C", str(tmp_path), "photos"]
    subprocess.run(packing, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    loaded = archived(path, root).load()
    assert loaded.class_names == (long, "ä")
    expected = dataset(tmp_path / "photos", root).load()
    assert sorted(map(bytes, loaded.array)) == sorted(map(bytes, expected.array))


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_in_tar_archives(form: int, tmp_path: Path, root: Path) -> None:
    names = [f"{'x' * 300}{number}/{'y' * 200}.png" for number in range(3)]
    path = tarred(tmp_path / "a.tar", {name: png(seed) for seed, name in enumerate(names)}, form)
    assert archived(path, root).load().class_names == tuple(name.partition("/")[0] for name in names)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_in_an_archive_serve_training_and_tests(kind: str, tmp_path: Path, root: Path) -> None:
    names = ["train/a/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png", "test/b/5.png"]
    data = archived(packed(tmp_path / kind, {name: png(seed) for seed, name in enumerate(names)}), root)
    assert data.count_images() == len(data.load().array) == 2
    test = find_test_split(data)
    assert isinstance(test, ImageArchive)
    assert len(test.load().array) == 3
    assert find_test_split(test) is None
    assert test.load().class_names == data.load().class_names == ("a", "b")


def test_it_counts_and_has_its_own_files(tmp_path: Path, root: Path) -> None:
    data = archived(zipped(tmp_path / "a.zip", {"1.png": png(0), "2.txt": b""}), root)
    assert isinstance(data, CountableImages)
    assert isinstance(data, OwnFiles)
    assert data.count_images() == 1
    assert find_test_split(data) is None
    data.require_files()
    with pytest.raises(DataError, match=r"there is no file .*b\.zip\. Did you mean 'a\.zip'"):
        archived(tmp_path / "b.zip", root).require_files()


def nvidia(labels: object, count: int = 3) -> dict[str, bytes]:
    images = {f"{index // 2:05d}/img{index:08d}.png": png(index) for index in range(count)}
    return images | {"dataset.json": json.dumps({"labels": labels}).encode()}


LABELS = [["00000/img00000000.png", 6], ["00000/img00000001.png", 10], ["00001/img00000002.png", 6]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefix", ["", "data/"])
def test_nvidias_layout(kind: str, prefix: str, tmp_path: Path, root: Path) -> None:
    content = {f"{prefix}{name}": member for name, member in nvidia(LABELS).items()}
    loaded = archived(packed(tmp_path / kind, content), root).load()
    assert loaded.class_names == ("6", "10")
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("left_out", [[], ["dataset.json"]])
def test_folders_of_nvidias_layout_are_no_classes(left_out: list[str], tmp_path: Path, root: Path) -> None:
    content = {name: member for name, member in nvidia(None).items() if name not in left_out}
    loaded = archived(zipped(tmp_path / "a.zip", content), root).load()
    assert loaded.labels is None
    assert len(loaded.array) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "dataset.json is no JSON"),
        (b"[" * 100_000, "dataset.json is no JSON"),
        (b"[]", r'expected \{"labels": \[\[NAME, CLASS\]'),
        (b'{"labels": 3}', "labels: expected a list or null, got 3"),
        (b'{"labels": [["00000/img00000000.png"]]}', "expected pairs"),
        (b'{"labels": [["00000/img00000000.png", 1.5]]}', "expected an integer, got 1.5"),
        (b'{"labels": [["00000/img00000000.png", [0, 1]]]}', r"expected an integer, got \[0, 1\]"),
        (b'{"labels": [["00000/img00000000.png", true]]}', "expected an integer, got True"),
        (b'{"labels": [["00000/img00000000.png", -1]]}', "expected an integer, got -1"),
        (json.dumps({"labels": [*LABELS, ["x.png", 1]]}).encode(), "names x.png, which is no image in the archive"),
        (json.dumps({"labels": [*LABELS, ["../../etc/passwd", 1]]}).encode(), "which is no image in the archive"),
        (json.dumps({"labels": [*LABELS, LABELS[0]]}).encode(), "names 00000/img00000000.png twice"),
        (json.dumps({"labels": LABELS[1:]}).encode(), "misses 1 of 3 images: 00000/img00000000.png"),
    ],
)
def test_wrong_dataset_json(content: bytes, message: str, tmp_path: Path, root: Path) -> None:
    path = zipped(tmp_path / "a.zip", nvidia(None) | {"dataset.json": content})
    with pytest.raises(DataError, match=message) as caught:
        archived(path, root).load()
    assert str(path) in str(caught.value)
    assert not root.exists()


def shards(folder: Path, names: tuple[str, ...] = ("shard-000.tar", "shard-001.tar", "shard-002.tar")) -> None:
    """WebDataset's: two samples each, with keys that begin anew in each shard."""
    for number, name in enumerate(names):
        content = dict[str, bytes]()
        for key in range(2):
            content |= {f"{key:04d}.jpg": png(2 * number + key, "JPEG"), f"{key:04d}.json": b"{}"}
            content |= {f"{key:04d}.cls": str(2 * number + key).encode()}
        packed(folder / name, content)


@pytest.mark.parametrize("pattern", ["", "*.tar", "shard-{000..002}.tar"])
def test_webdatasets_shards(pattern: str, tmp_path: Path, root: Path) -> None:
    shards(tmp_path / "shards")
    loaded = archived(tmp_path / "shards" / pattern, root).load()
    assert loaded.class_names == tuple("012345")
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert len(np.unique(loaded.array.reshape(6, -1), axis=0)) == 6


def test_a_list_of_archives(tmp_path: Path, root: Path) -> None:
    shards(tmp_path)
    loaded = archived((str(tmp_path / "shard-002.tar"), str(tmp_path / "shard-000.tar")), root).load()
    assert loaded.class_names == ("0", "1", "4", "5")
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [2, 3, 0, 1]


def test_shards_whose_names_say_train_and_val_are_parts(tmp_path: Path, root: Path) -> None:
    shards(tmp_path / "shards", ("birds-train-000.tar", "birds-train-001.tar.gz", "birds-val-000.tar"))
    data = archived(tmp_path / "shards", root)
    loaded, test = data.load(), find_test_split(data)
    assert isinstance(test, ImageArchive)
    assert len(loaded.array) == 4
    tested = test.load()
    assert tested.class_names == loaded.class_names
    assert tested.labels is not None
    assert tested.labels.tolist() == [4, 5]
    assert len(archived(tmp_path / "shards", root, split=FolderSplit.all).load().array) == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"1.cls": b"cat"}, "1.cls: expected a class as an integer, got b'cat'"),
        ({"1.cls": b""}, "expected a class as an integer"),
        ({"1.cls": b"9" * 30}, "expected a class as an integer"),
        ({"1.cls": b"1" * 1000}, "1.cls has 1,000 bytes; expected 64 at most"),
        ({"2.png": png(2)}, "1 images have no member .cls: 2.png"),
    ],
)
def test_wrong_classes_of_shards(changes: dict[str, bytes], message: str, tmp_path: Path, root: Path) -> None:
    path = tarred(tmp_path / "a.tar", {"0.png": png(0), "0.cls": b"1\n", "1.png": png(1), "1.cls": b"0"} | changes)
    with pytest.raises(DataError, match=message):
        archived(path, root).load()


def link(kind: bytes, name: str = "link.png") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    return member


SPECIAL = {
    f"{number}.png": link(kind, f"{number}.png")
    for number, kind in enumerate(
        (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    )
}


def test_one_line_says_what_is_left_out(tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    content: dict[str, bytes | tarfile.TarInfo] = {
        "a/1.png": png(1),
        "a/2.png": b"broken",
        "b/3.png": png(3),
        **SPECIAL,
        "a/inner.zip": b"PK",
        "a/note.txt": b"",
        "__MACOSX/a/._1.png": b"x",
        ".git/x.png": b"x",
        "a/.hidden.png": b"x",
    }
    with caplog.at_level(logging.INFO):
        loaded = archived(tarred(tmp_path / "a.tar", content), root).load()
    assert len(loaded.array) == 2
    line = next(message for message in caplog.messages if "left out: " in message and "classes" in message)
    assert "3 images of 2 classes" in line
    assert "folders of systems and other programs: .git, __MACOSX" in line
    assert "archives within an archive, which are not opened: a/inner.zip" in line
    assert "links and devices: 0.png, 1.png, 2.png, 3.png, 4.png" in line
    assert "1 .txt" in line
    assert any("left out 1 of 3 images that cannot be decoded" in message for message in caplog.messages)


def test_a_link_in_a_zip_archive_is_not_followed(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("link.png")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
        archive.writestr("1.png", png(1))
    assert len(archived(path, root).load().array) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_no_images(kind: str, tmp_path: Path, root: Path) -> None:
    for content in ({}, {"a.txt": b"", "b.zip": b""}):
        with pytest.raises(DataError, match=r"no images there; looked for \.png"):
            archived(packed(tmp_path / kind, content), root).load()
    with pytest.raises(DataError, match=r"dataset\.split=test, but there are no parts"):
        archived(packed(tmp_path / kind, {"a.png": png(0)}), root, split=FolderSplit.test).load()


def test_a_damaged_member_of_a_zip_archive_is_left_out(
    tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = zipped(tmp_path / "a.zip", {"1.png": png(1), "2.png": png(2)}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(png(2)) + 60] ^= 1
    path.write_bytes(content)
    loaded = archived(path, root).load()
    assert len(loaded.array) == 1
    assert "2.png (Bad CRC-32 for file '2.png')" in caplog.text
    assert np.array_equal(archived(path, root).load().array, loaded.array)
    with pytest.raises(DataError, match=r"a\.zip: 2\.png: cannot be decoded"):
        archived(path, root, strict=True).load()


def test_decoded_images_are_kept_as_long_as_the_content_is_the_same(tmp_path: Path, root: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"1.png": png(1)})
    archived(path, root).load()
    os.utime(path, (0, 0))
    moved = path.rename(tmp_path / "b.zip")
    archived(moved, root).load()
    assert len(list((root / "image_archive").iterdir())) == 1
    other = zipped(tmp_path / "b.zip", {"1.png": png(2)})
    assert np.array_equal(archived(other, root).load().array, archived(other, root).load().array)
    assert len(list((root / "image_archive").iterdir())) == 2


def test_one_picture_of_a_tar_archive_is_replaced_by_one_of_the_same_length(tmp_path: Path, root: Path) -> None:
    first, second = (bytes(np.full(2, level, np.uint8)) for level in (0, 255))
    pictures = [b"P5 2 1 255\n" + pixels for pixels in (first, second)]
    path = tmp_path / "a.tar"
    for content, level in zip(pictures, (0, 255), strict=True):
        path.write_bytes(tar_bytes({"1.pgm": content}))
        os.utime(path, (level, level))
        assert archived(path, root).load().array.max() == level


def test_replaced_labels_are_read_again(tmp_path: Path, root: Path) -> None:
    for labels in (LABELS, [[name, 16 - label] for name, label in LABELS]):
        path = zipped(tmp_path / "a.zip", nvidia(labels))
        loaded = archived(path, root).load()
        assert loaded.labels is not None
        assert [int(loaded.class_names[label]) for label in loaded.labels] == [label for _, label in labels]


@pytest.mark.parametrize("path", [None, "", ()])
def test_a_path_is_needed(path: object) -> None:
    with pytest.raises(InvalidValueError, match=r"path: expected an archive of images"):
        ImageArchive(path=path, root="r")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("*.zip", "no archives of such names"),
        ("x-{3..1}.tar", r"expected a range of 1 to 100,000 numbers, got \{3..1\}"),
        ("x-{0..999999999}.tar", "expected a range of 1 to"),
        ("x-{0..2}.tar", "there is no file .*x-0.tar"),
        ("", "no archives there; looked for .zip .tar .tar.gz .tgz"),
    ],
)
def test_patterns_without_archives(pattern: str, message: str, tmp_path: Path, root: Path) -> None:
    with pytest.raises(DataError, match=message):
        archived(tmp_path / pattern, root).load()


def test_many_threads_decode_what_one_reads(tmp_path: Path, root: Path) -> None:
    content = {f"{seed:03d}.png": png(seed) for seed in range(40)} | {
        f"{seed:03d}.bmp": png(seed) for seed in range(40)
    }
    for kind in KINDS:
        path = packed(tmp_path / kind, dict(sorted(content.items())))
        one, many = (archived(path, root / str(workers), workers=workers).load() for workers in (1, 8))
        assert one.array.shape == (80, 3, SIZE, SIZE)
        assert np.array_equal(one.array, many.array)
