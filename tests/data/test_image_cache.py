"""The cache of decoded images: built once, whole or not at all, by several processes, in bounded memory."""

from __future__ import annotations

import os
import shutil
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from gan_cli.data import image_decoding
from gan_cli.errors import DataError
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
    assert isinstance(second.pixels, np.memmap)
    assert np.array_equal(first.pixels, second.pixels)
    with pytest.raises(ValueError, match="read-only"):
        second.pixels[0] = 0


def test_whatever_changes_the_result_makes_another_cache(images: Path, root: Path) -> None:
    tree(images, "a.png", "b.png")
    before = dataset(images, root).load().pixels.copy()
    dataset(images, root, size=SIZE + 1).load()
    dataset(images, root, channels=1).load()
    assert len(caches(root)) == 3

    picture(9).save(images / "a.png")
    assert not np.array_equal(dataset(images, root).load().pixels[0], before[0])
    (images / "b.png").rename(images / "c.png")
    dataset(images, root).load()
    (images / "c.png").unlink()
    assert len(dataset(images, root).load().pixels) == 1
    assert len(caches(root)) == 6


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
    expected = dataset(images, root).load().pixels.copy()
    damage(caches(root)[0])  # type: ignore[operator]
    assert np.array_equal(dataset(images, root).load().pixels, expected)
    assert "is damaged" in caplog.text
    assert "built again" in caplog.text
    assert len(caches(root)) == 1


def test_cache_that_cannot_be_written(images: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(images, "a.png")
    root.touch()
    with pytest.raises(DataError, match=r"root/image_folder: .* cannot be written .*dataset.root=DIR.*GAN_DATA"):
        dataset(images, root).load()
    root.unlink()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        dataset(images, root).load()
    assert caches(root) == []


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


def test_memory_does_not_grow_with_the_pixels(images: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory: a few batches of pixels at a time, and less than 1 kB for each file."""
    count, size, batch = 600, 64, 2**19
    monkeypatch.setattr(image_decoding, "BATCH_BYTES", batch)
    tree(images / "0", "0.png")
    (images / "1").mkdir()
    for number in range(1, count):
        os.link(images / "0" / "0.png", images / str(number % 2) / f"{number}.png")
    dataset(tree(images.parent / "warm", "a/1.png", "b/2.png"), root).load()  # what is imported and made only once
    tracemalloc.start()
    try:
        loaded = dataset(images, root, size=size, workers=1).load()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert loaded.pixels.shape == (count, 3, size, size)
    assert loaded.labels is not None
    # One batch being decoded, two ready, one being written.
    assert peak < 4 * batch + 1000 * count < 0.4 * loaded.pixels.nbytes
