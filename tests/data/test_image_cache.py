"""The cache of decoded images: built once, whole or not at all, by several processes, in bounded memory."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import shutil
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gan_cli.data import image_cache, image_decoding
from gan_cli.data.image_decoding import Target
from gan_cli.errors import DataError
from gan_cli.storage.reading import read_bytes
from tests.helpers.image_trees import SIZE, caches, dataset, picture, reference, tree
from tests.helpers.preloaded import PreloadedProcess


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return tmp_path / "images"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def test_second_load_decodes_nothing(images: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(images, "a.png", "b.png")
    first = dataset(images, root).load()
    monkeypatch.setattr(image_decoding, "decode", None)
    second = dataset(images, root, workers=1).load()
    assert isinstance(second.array, np.memmap)
    assert np.array_equal(first.array, second.array)
    with pytest.raises(ValueError, match="read-only"):
        second.array[0] = 0


def test_whatever_changes_the_result_makes_another_cache(images: Path, root: Path) -> None:
    tree(images, "a.png", "b.png")
    before = dataset(images, root).load().array.copy()
    dataset(images, root, size=SIZE + 1).load()
    dataset(images, root, channels=1).load()
    assert len(caches(root)) == 3

    picture(9).save(images / "a.png")
    assert not np.array_equal(dataset(images, root).load().array[0], before[0])
    (images / "b.png").rename(images / "c.png")
    dataset(images, root).load()
    (images / "c.png").unlink()
    assert len(dataset(images, root).load().array) == 1
    assert len(caches(root)) == 6


def sparse(path: Path) -> None:
    os.truncate(path, 100 * 2**30)


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def in_the_place_of_the_folder(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(place: Path) -> None:
        shutil.rmtree(place)
        make(place)

    return replace


def changed_meta(**changes: object) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        meta = json.loads((place / "meta.json").read_text())
        (place / "meta.json").write_text(json.dumps(meta | changes))

    return change


def header(shape: tuple[int, ...], data: bytes = b"") -> bytes:
    """A .npy file that announces bytes of that shape."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue() + data


@pytest.mark.parametrize("make", [sparse, fifo, endless, lambda path: (path.unlink(), path.mkdir())])
@pytest.mark.parametrize("name", ["meta.json", "pixels.npy", "labels.npy"])
def test_files_of_a_cache_that_never_end_are_damage(
    images: Path, root: Path, name: str, make: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    tree(images, "a/1.png", "b/2.png")
    expected = dataset(images, root).load().array.copy()
    make(caches(root)[0] / name)
    tracemalloc.start()
    try:
        assert np.array_equal(dataset(images, root).load().array, expected)
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()
    assert "is damaged" in caplog.text
    assert len(caches(root)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda place: (place / "meta.json").write_bytes(b"[" * 100_000),
        lambda place: (place / "meta.json").write_bytes(b"9" * 100_000),
        lambda place: (place / "meta.json").write_text("null"),
        changed_meta(key="0" * 64),
        changed_meta(shape=[3, 3, SIZE, SIZE]),
        changed_meta(shape="x"),
        changed_meta(shape=[10**30, 3, SIZE, SIZE]),
        changed_meta(classes=[1, 2]),
        changed_meta(classes=["a"]),
        changed_meta(classes={"a": 1}),
        changed_meta(failures=[["x"]]),
        changed_meta(failures=7),
        changed_meta(skipped=-1),
        changed_meta(skipped=1.5),
        changed_meta(skipped=1, unread=2),
        changed_meta(skipped=5, unread=5),
        changed_meta(skipped=3),
        lambda place: (place / "pixels.npy").write_bytes(header((2, 3, SIZE, SIZE), bytes(100))),
        lambda place: (place / "pixels.npy").write_bytes(header((2, 3, SIZE, 10**15))),
        lambda place: (place / "pixels.npy").write_bytes(header((-2, 3, SIZE, SIZE))),
        lambda place: (place / "pixels.npy").write_bytes(b"\x93NUMPY\1\0\xff\xff" + b"(" * 65535),
        lambda place: np.save(place / "pixels.npy", np.zeros((2, 3, SIZE, SIZE))),
        lambda place: np.save(place / "pixels.npy", np.zeros((2, 3, 1, 1), np.uint8)),
        lambda place: np.save(place / "pixels.npy", np.array([{}, {}], object)),
        lambda place: np.save(place / "labels.npy", np.array([0, 2])),
        lambda place: np.save(place / "labels.npy", np.array([-1, 0])),
        lambda place: np.save(place / "labels.npy", np.array([0.0, 1.0])),
        lambda place: np.save(place / "labels.npy", np.array([{}, {}], object)),
        in_the_place_of_the_folder(Path.touch),
        in_the_place_of_the_folder(os.mkfifo),
        in_the_place_of_the_folder(lambda place: place.symlink_to("nowhere")),
        in_the_place_of_the_folder(Path.mkdir),
    ],
)
def test_forged_caches_are_built_again(
    images: Path, root: Path, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    tree(images, "a/1.png", "b/2.png")
    expected = dataset(images, root).load().array.copy()
    damage(caches(root)[0])
    for _ in range(2):
        again = dataset(images, root).load()
        assert np.array_equal(again.array, expected)
        assert again.labels is not None
        assert again.labels.tolist() == [0, 1]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "is damaged" in warning or "another number of images" in warning
    assert len(caches(root)) == 1


def unreadable(*names: str) -> Callable[[Path, int], bytes]:
    def read(path: Path, limit: int) -> bytes:
        if path.name in names:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read_bytes(path, limit)

    return read


def test_image_that_could_not_be_read_is_tried_again(
    images: Path, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tree(images, "a/1.png", "b/2.png", "b/3.png")
    (images / "a" / "4.png").write_bytes(b"no image")
    monkeypatch.setattr(image_decoding, "read_bytes", unreadable("2.png"))
    for _ in range(2):  # built, and from the cache
        caplog.clear()
        loaded = dataset(images, root).load()
        assert loaded.labels is not None
        assert loaded.labels.tolist() == [0, 1]
        assert "left out 2 of 4 images that cannot be decoded" in caplog.text
        assert "b/2.png (Input/output error)" in caplog.text
        assert "; 1 of them cannot be read, which the next run tries again" in caplog.text
    monkeypatch.setattr(image_decoding, "read_bytes", read_bytes)
    caplog.clear()
    loaded = dataset(images, root).load()
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [0, 1, 1]
    assert "left out 1 of 4 images that cannot be decoded" in caplog.text
    assert "tries again" not in caplog.text
    monkeypatch.setattr(image_decoding, "decode", None)  # what cannot be decoded is remembered
    assert len(dataset(images, root).load().array) == 3
    assert len(caches(root)) == 1


def test_lack_of_memory_is_no_damage(
    images: Path, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def exhausted(content: bytes, target: Target) -> None:
        raise MemoryError

    tree(images, "a.png", "b.png")
    with monkeypatch.context() as patched:
        patched.setattr(image_decoding, "_decode", exhausted)
        with pytest.raises(DataError, match=r"a.png \(not enough memory\)"):
            dataset(images, root).load()
    assert len(dataset(images, root).load().array) == 2


def test_images_that_an_earlier_version_left_out_are_tried_again_once(
    images: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tree(images, "a.png", "b.png")
    (images / "c.png").write_bytes(b"no image")
    dataset(images, root).load()
    meta = caches(root)[0] / "meta.json"
    old = {name: value for name, value in json.loads(meta.read_text()).items() if name != "unread"}
    meta.write_text(json.dumps(old))
    for _ in range(2):
        dataset(images, root).load()
    assert caplog.text.count("images that an earlier version left out are tried again") == 1


def test_images_of_more_bytes_than_are_free_are_not_decoded(
    images: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(images, "a.png", "b.png")
    monkeypatch.setattr(image_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match="the decoded images take 1,536 bytes, and 1,000 are free there; a smaller"):
        dataset(images, root).load()
    assert caches(root) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda place: truncate(place / "pixels.npy"),
        lambda place: truncate(place / "labels.npy"),
        lambda place: truncate(place / "meta.json"),
        lambda place: (place / "pixels.npy").write_bytes(b""),
        lambda place: (place / "meta.json").unlink(),
        lambda place: np.save(place / "labels.npy", np.zeros(1, np.int64)),
    ],
)
def test_damaged_caches_are_built_again(
    images: Path, root: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    tree(images, "a/1.png", "b/2.png")
    expected = dataset(images, root).load().array.copy()
    damage(caches(root)[0])  # type: ignore[operator]
    assert np.array_equal(dataset(images, root).load().array, expected)
    assert "is damaged" in caplog.text
    assert "built again" in caplog.text
    assert len(caches(root)) == 1


def test_cache_that_cannot_be_written(images: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(images, "a.png")
    root.touch()
    monkeypatch.setenv("HOME", str(root))
    with pytest.raises(DataError, match=r"root/image_folder: .* cannot be written .*dataset.root=DIR.*GAN_DATA"):
        dataset(images, root).load()
    root.unlink()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        dataset(images, root).load()
    assert caches(root) == []


def test_root_that_is_read_only_leaves_the_cache_to_the_users_own(
    images: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tree(images, "a.png")
    root.touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    first = dataset(images, root).load().array.copy()
    kept = tmp_path / "home/.cache/gan_cli/image_folder"
    assert f"{root / 'image_folder'} cannot be written: decoded images are kept in {kept}" in caplog.text
    (cache,) = kept.iterdir()
    written = cache.stat().st_mtime_ns
    assert np.array_equal(dataset(images, root).load().array, first)
    assert cache.stat().st_mtime_ns == written
    # What is there already is read where it is.
    root.unlink()
    assert np.array_equal(dataset(images, root).load().array, first)
    assert len(caches(root)) == 1
    with monkeypatch.context() as read_only:
        read_only.setattr(os, "access", lambda place, mode: not Path(place).is_relative_to(root))
        caplog.clear()
        assert np.array_equal(dataset(images, root).load().array, first)
        assert "cannot be written" not in caplog.text


def test_leftovers_of_killed_processes_go_after_a_day(images: Path, root: Path) -> None:
    tree(images, "a.png")
    old, new = root / "image_folder" / ".unfinished-old", root / "image_folder" / ".unfinished-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "pixels.npy").write_bytes(b"half")
    yesterday = time.time() - 25 * 60 * 60
    for path in (old / "pixels.npy", old):
        os.utime(path, (yesterday, yesterday))
    dataset(images, root).load()
    assert not old.exists()
    assert new.exists()


def test_two_processes_build_the_same_cache(images: Path, root: Path, tmp_path: Path) -> None:
    tree(images, "0.png")
    for number in range(1, 400):
        shutil.copy2(images / "0.png", images / f"{number}.png")
    start = tmp_path / "start"
    ready = [tmp_path / f"ready{number}" for number in range(2)]
    processes = [PreloadedProcess("tests.helpers.folder_loader", [images, root, own, start]) for own in ready]
    deadline = time.monotonic() + 300
    while not all(own.exists() for own in ready):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    start.touch()
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    expected = int(400 * reference(picture(0), size=32).sum(dtype="int64"))
    assert [int(output) for output, _ in outputs] == [expected, expected]
    assert len(caches(root)) == 1


def test_memory_does_not_grow_with_the_pixels(images: Path, root: Path) -> None:
    """In memory: a few batches of pixels at a time, and less than 1 kB for each file."""
    count, size, batch = 600, 64, 2**19
    tree(images / "0", "0.png")
    (images / "1").mkdir()
    for number in range(1, count):
        os.link(images / "0" / "0.png", images / str(number % 2) / f"{number}.png")
    warm = tree(images.parent / "warm", "a/1.png", "b/2.png")
    process = PreloadedProcess("tests.helpers.folder_memory", [root, size, batch, warm, images])
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    measured = json.loads(output)
    assert measured["shape"] == [count, 3, size, size]
    assert measured["labelled"]
    # One batch being decoded, two ready, one being written.
    assert measured["peak"] < 4 * batch + 1000 * count < 0.4 * count * 3 * size * size
