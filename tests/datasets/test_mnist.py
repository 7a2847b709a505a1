"""MNIST and Fashion-MNIST: real files, and real downloads from servers on this machine."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli.data import download as download_module
from gan_cli.data.download import TransferLimits
from gan_cli.data.resizing import resize_pictures
from gan_cli.datasets.mnist import FashionMnist, IdxDataset, Mnist, MnistSplit
from gan_cli.errors import DataError, InvalidValueError
from tests.helpers.idx_files import FILES, IMAGES, LABELS, PIXELS, idx_bytes
from tests.helpers.mirrors import Mirror
from tests.storage.test_files import longest_file


class Small(IdxDataset):
    """Three images, like MNIST in everything else."""

    title = "Small"
    folders = ("small", "other/raw")
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}  # noqa: RUF012


def fill(folder: Path, suffix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)


def serve_small(mirror: Mirror) -> None:
    mirror.answers = {f"/data/{name}.gz": (200, gzip.compress(FILES[name])) for name in FILES}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_that_are_there_are_used(tmp_path: Path, suffix: str) -> None:
    fill(tmp_path / "small", suffix)
    images = Small(str(tmp_path), ()).load()
    assert np.array_equal(images.array, PIXELS[:, None])
    assert images.labels is not None
    assert images.labels.dtype == np.int64
    assert images.labels.tolist() == [7, 0, 9]


@pytest.mark.parametrize("size", [8, 32, 64])
def test_images_are_resized_as_pillow_does_it(tmp_path: Path, size: int) -> None:
    fill(tmp_path / "small")
    dataset = Small(str(tmp_path), (), size=size)
    pixels = dataset.load().array
    assert dataset.shape == (1, size, size)
    assert (pixels.shape, pixels.dtype) == ((3, *dataset.shape), np.uint8)
    for image, original in zip(pixels[:, 0], PIXELS, strict=True):
        resized = Image.fromarray(original).resize((size, size), Image.Resampling.BILINEAR)
        assert np.array_equal(image, np.asarray(resized))


@pytest.mark.parametrize("size", [None, 28])
def test_28_pixels_are_untouched(tmp_path: Path, size: int | None) -> None:
    fill(tmp_path / "small")
    dataset = Small(str(tmp_path), (), size=size)
    assert dataset.shape == (1, 28, 28)
    assert np.array_equal(dataset.load().array, PIXELS[:, None])


def test_resizing_keeps_constants_and_averages_where_it_shrinks() -> None:
    def resized(images: np.ndarray, side: int) -> np.ndarray:
        return resize_pictures(images[:, None], (side, side))[:, 0]

    constant = np.full((2, 28, 28), 77, np.uint8)
    assert all((resized(constant, size) == 77).all() for size in (8, 31, 256))
    # Two columns of each four are white. Without antialiasing, some pixels would see black alone, or white alone.
    stripes = np.tile(np.repeat(np.array([0, 255], np.uint8), 2), (1, 28, 7))
    assert np.abs(resized(stripes, 8).astype(float) - 127.5).max() < 40
    # Twice as large, a pixel lies a quarter of a pixel from its original: 3/4 of that and 1/4 of the neighbour.
    edge = np.repeat(np.array([0, 200], np.uint8), 14)[None, None].repeat(28, axis=1)
    assert resized(edge, 56)[0, 20, 26:30].tolist() == [0, 50, 150, 200]


@pytest.mark.parametrize("place", ["small", "other/raw"])
@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("form", ["{0}", "{0}.gz", "{0}/{0}"])
def test_files_are_found_by_all_usual_names(place: str, dotted: bool, form: str, tmp_path: Path) -> None:
    for name, content in FILES.items():
        spelled = name.replace("-idx", ".idx") if dotted else name
        file = tmp_path / place / form.format(spelled)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(content) if form.endswith(".gz") else content)
    assert np.array_equal(Small(str(tmp_path), ()).load().array, PIXELS[:, None])


def test_a_wrong_file_of_another_spelling_is_refused_by_its_checksum(tmp_path: Path) -> None:
    fill(tmp_path / "small")
    path = (tmp_path / "small" / IMAGES).rename(tmp_path / "small" / "train-images.idx3-ubyte")
    path.write_bytes(idx_bytes(PIXELS[::-1]))
    with pytest.raises(DataError, match=r"train-images\.idx3-ubyte: its uncompressed content.* has SHA-256"):
        Small(str(tmp_path), ()).load()


@pytest.mark.parametrize(("dataset", "folder"), [(Mnist, "MNIST/raw"), (FashionMnist, "FashionMNIST/raw")])
def test_torchvisions_folders_are_looked_into(dataset: type[IdxDataset], folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / IMAGES).write_bytes(FILES[IMAGES])
    with pytest.raises(DataError, match=f"{folder}/{IMAGES}: its uncompressed content") as caught:
        dataset(str(tmp_path), ()).load()
    assert "stays as it is" in str(caught.value)


@pytest.mark.parametrize("size", [0, 7, 257, -28])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(InvalidValueError) as caught:
        Mnist("data", (), size=size)
    assert caught.value.key == "size"


def test_root_may_lie_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "data" / "small")
    assert len(Small("~/data", ()).load().array) == 3


def test_a_wrong_file_that_is_there_is_never_replaced_but_advice_is_printed(
    tmp_path: Path, mirrors: list[Mirror]
) -> None:
    serve_small(mirrors[0])
    fill(tmp_path / "small")
    wrong = idx_bytes(PIXELS[::-1])
    (tmp_path / "small" / IMAGES).write_bytes(wrong)
    with pytest.raises(DataError) as caught:
        Small(str(tmp_path), (mirrors[0].url,)).load()
    message = str(caught.value)
    assert str(tmp_path / "small" / IMAGES) in message
    assert hashlib.sha256(wrong).hexdigest() in message
    assert Small.checksums[IMAGES] in message
    assert "bytes of the shape (3, 28, 28)" in message
    assert "It is not the file that Small is published as, and stays as it is" in message
    assert "elete" not in message
    assert "dataset=image_folder dataset.path=DIR reads images of your own" in message
    assert caught.value.exit_status == 3
    assert (tmp_path / "small" / IMAGES).read_bytes() == wrong


def test_images_and_labels_must_fit_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "small")
    content = idx_bytes(np.zeros(2, np.uint8))
    (tmp_path / "small" / LABELS).write_bytes(content)
    monkeypatch.setattr(Small, "checksums", {**Small.checksums, LABELS: hashlib.sha256(content).hexdigest()})
    with pytest.raises(DataError, match=r"shapes \(3, 28, 28\) and \(2,\), expected"):
        Small(str(tmp_path), ()).load()


def test_downloads_once_and_leaves_nothing_else(tmp_path: Path, mirrors: list[Mirror]) -> None:
    serve_small(mirrors[0])
    dataset = Small(str(tmp_path), (mirrors[0].url,))
    for _ in range(2):
        assert np.array_equal(dataset.load().array, PIXELS[:, None])
    assert mirrors[0].asked == [f"/data/{IMAGES}.gz", f"/data/{LABELS}.gz"]
    assert sorted(path.name for path in (tmp_path / "small").iterdir()) == [f"{IMAGES}.gz", f"{LABELS}.gz"]


@pytest.mark.parametrize(
    ("status", "body", "missing"),
    [
        (404, b"", 0),
        (503, b"", 0),
        (200, b"<html>please log in</html>", 0),
        (200, gzip.compress(FILES[IMAGES])[:200], 0),
        (200, gzip.compress(FILES[IMAGES])[:200], 300),
        (200, gzip.compress(idx_bytes(PIXELS[::-1])), 0),
    ],
    ids=["not found", "out of order", "portal", "truncated", "broken off", "wrong content"],
)
def test_the_next_mirror_helps_out(
    tmp_path: Path, mirrors: list[Mirror], status: int, body: bytes, missing: int
) -> None:
    mirrors[0].answers = {f"/data/{name}.gz": (status, body) for name in FILES}
    mirrors[0].missing = missing
    serve_small(mirrors[1])
    images = Small(str(tmp_path), tuple(mirror.url for mirror in mirrors)).load()
    assert np.array_equal(images.array, PIXELS[:, None])
    assert sorted(path.name for path in (tmp_path / "small").iterdir()) == [f"{IMAGES}.gz", f"{LABELS}.gz"]


def test_a_mirror_that_does_not_answer_times_out(
    tmp_path: Path, mirrors: list[Mirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "LIMITS", TransferLimits(0.2, 0.2))
    mirrors[0].silent = threading.Event()
    serve_small(mirrors[1])
    try:
        images = Small(str(tmp_path), tuple(mirror.url for mirror in mirrors)).load()
    finally:
        mirrors[0].silent.set()
    assert len(images.array) == 3


def test_all_mirrors_failing_says_why_and_what_to_put_where(tmp_path: Path, mirrors: list[Mirror]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/data"
    mirrors[1].answers = {f"/data/{IMAGES}.gz": (200, gzip.compress(idx_bytes(PIXELS[::-1])))}
    with pytest.raises(DataError) as caught:
        Small(str(tmp_path), (nobody, mirrors[0].url, mirrors[1].url)).load()
    message = str(caught.value)
    assert f"{nobody}/{IMAGES}.gz: Connection refused" in message
    assert f"{mirrors[0].url}{IMAGES}.gz: HTTP status 404" in message
    assert f"{mirrors[1].url}{IMAGES}.gz: sent a wrong file: its uncompressed content, bytes of the shape" in message
    assert f"Put {IMAGES}.gz and {LABELS}.gz" in message
    assert str(tmp_path / "small") in message
    assert "dataset.root=DIR" in message
    assert "GAN_DATA" in message
    assert caught.value.exit_status == 3
    assert not (tmp_path / "small").exists()


def test_a_disk_that_fills_up_is_no_failure_of_the_mirror(tmp_path: Path, mirrors: list[Mirror]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 28, 28), np.uint8)  # gzip cannot make it smaller
    mirrors[0].answers = {f"/data/{IMAGES}.gz": (200, gzip.compress(idx_bytes(noise)))}
    with longest_file(1000), pytest.raises(DataError, match=r"small: cannot be written \(File too large\)"):
        Small(str(tmp_path), tuple(mirror.url for mirror in mirrors)).load()
    assert mirrors[1].asked == []
    assert list((tmp_path / "small").iterdir()) == []


def test_downloaded_files_may_be_read_by_all_who_may_read_the_folder(tmp_path: Path, mirrors: list[Mirror]) -> None:
    serve_small(mirrors[0])
    Small(str(tmp_path), (mirrors[0].url,)).load()
    (tmp_path / "ordinary").touch()
    modes = {path.stat().st_mode for path in (tmp_path / "ordinary", *(tmp_path / "small").iterdir())}
    assert len(modes) == 1


def test_without_mirrors_nothing_is_downloaded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\(none is configured\)\. Put "):
        Small(str(tmp_path), ()).load()


def test_a_root_that_cannot_be_written(tmp_path: Path, mirrors: list[Mirror]) -> None:
    serve_small(mirrors[0])
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/small: cannot be written .*dataset.root=DIR"):
        Small(str(tmp_path / "file"), (mirrors[0].url,)).load()


@pytest.mark.parametrize(
    ("root", "mirrors", "key"),
    [("", (), "root"), ("~nobody-of-that-name/x", (), "root"), ("data", ("ftp://x/",), "mirrors")],
)
def test_wrong_values_are_refused_before_anything_is_read(root: str, mirrors: tuple[str, ...], key: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        Mnist(root, mirrors)
    assert caught.value.key == key


@pytest.mark.parametrize("dataset", [Mnist, FashionMnist])
def test_every_file_of_the_family_has_its_own_checksum(dataset: type[IdxDataset]) -> None:
    names = {name for split in MnistSplit for name in dataset("data", (), split).names}
    assert set(dataset.checksums) == names
    assert len({len(checksum) for checksum in dataset.checksums.values()}) == 1
    assert len(set(dataset.checksums.values()) | set(Mnist.checksums.values())) in (4, 8)


@pytest.mark.parametrize(("split", "count"), [(MnistSplit.train, 60_000), (MnistSplit.test, 10_000)])
def test_the_real_mnist(split: MnistSplit, count: int) -> None:
    root = os.environ.get("GAN_DATA")
    if not root or not (Path(root) / "mnist").is_dir():
        pytest.skip("needs the MNIST files: GAN_DATA is not set, or has no folder mnist")
    images = Mnist(root, (), split).load()
    assert images.array.shape == (count, 1, 28, 28)
    assert images.labels is not None
    assert np.bincount(images.labels, minlength=10).min() > 0.08 * count
    first = 5 if split is MnistSplit.train else 7
    assert images.labels[0] == first
