"""Folders of images: real files of every format and kind."""

from __future__ import annotations

import json
import logging
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli.datasets.image_folder import ImageFolder
from gan_cli.errors import DataError, InvalidValueError
from tests.helpers.image_trees import SIZE, caches, dataset, picture, reference, tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return tmp_path / "images"


def test_every_format_below_the_folder_in_the_order_of_names(images: Path, root: Path) -> None:
    names = [
        "z.png",
        "b/deep/er/1.jpg",
        "b/2.JPEG",
        "a.webp",
        "b.bmp",
        "b-c/3.Jpg",
        "c.tif",
        "d.GIF",
        "e.jfif",
        "f.ppm",
    ]
    tree(images, *names)
    tree(images, ".hidden.png", ".hidden/4.png")
    (images / "notes.txt").write_text("no image")
    loaded = dataset(images, root).load()
    assert loaded.array.dtype == np.uint8
    assert loaded.labels is None
    expected = [reference(Image.open(images / name)) for name in sorted(names)]
    assert np.array_equal(loaded.array, np.stack(expected))


@pytest.mark.parametrize("extent", [(40, 25), (25, 41), (7, 5), (16, 16)])
@pytest.mark.parametrize("channels", [1, 3])
def test_crop_and_resize_are_pillows(images: Path, root: Path, extent: tuple[int, int], channels: int) -> None:
    images.mkdir()
    image = picture(0, *extent)
    image.save(images / "a.png")
    loaded = dataset(images, root, channels=channels).load()
    assert np.array_equal(loaded.array[0], reference(image, mode="RGB" if channels == 3 else "L"))


@pytest.mark.parametrize("orientation", range(1, 10))
def test_pictures_are_turned_upright(images: Path, root: Path, orientation: int) -> None:
    images.mkdir()
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture(0, 40, 25).save(images / "a.jpg", exif=exif)
    expected = reference(Image.open(images / "a.jpg"))
    assert np.array_equal(dataset(images, root).load().array[0], expected)


def test_grey_16_bit_palette_and_transparent_images(images: Path, root: Path) -> None:
    images.mkdir()
    deep = np.linspace(0, 65535, SIZE * SIZE).astype(np.uint16).reshape(SIZE, SIZE)
    Image.fromarray(deep).save(images / "0_deep.png")
    grey = picture(1, SIZE, SIZE, channels=1)
    grey.save(images / "1_grey.png")
    palette = picture(2, SIZE, SIZE).quantize(16)
    palette.save(images / "2_palette.png")
    see_through = np.asarray(picture(3, SIZE, SIZE, channels=4))
    Image.fromarray(see_through).save(images / "3_alpha.png")
    Image.new("P", (SIZE, SIZE), 0).save(images / "4_clear.png", transparency=0)
    Image.new("1", (SIZE, SIZE), 1).save(images / "5_bit.png")
    picture(6, SIZE, SIZE).convert("CMYK").save(images / "6_print.jpg")
    pixels = dataset(images, root).load().array

    assert np.abs(pixels[0, 0].astype(float) - deep / 257).max() <= 0.5
    assert np.array_equal(pixels[0, 0], pixels[0, 2])
    assert np.array_equal(pixels[1], reference(grey))
    assert np.array_equal(pixels[2], reference(palette))
    alpha = see_through[..., 3:] / 255
    on_white = see_through[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(pixels[3].transpose(1, 2, 0) - on_white).max() <= 1
    assert pixels[4].min() == 255
    assert pixels[5].min() == 255
    assert np.abs(pixels[6].astype(float) - reference(picture(6, SIZE, SIZE))).mean() < 40


def test_folders_of_the_first_level_are_classes(images: Path, root: Path) -> None:
    tree(images, "dog/1.png", "cat/more/2.png", "cat/1.png", "dog/3.png")
    loaded = dataset(images, root).load()
    assert loaded.labels is not None
    assert loaded.labels.dtype == np.int64
    assert loaded.labels.tolist() == [0, 0, 1, 1]
    assert json.loads((caches(root)[0] / "meta.json").read_text())["classes"] == ["cat", "dog"]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


SYSTEM = ["@eaDir", "$RECYCLE.BIN", "$Recycle.Bin", ".ipynb_checkpoints", "__MACOSX", ".git", "lost+found",
          "System Volume Information", ".thumbnails", "#recycle", "@Recycle", "__pycache__"]  # fmt: skip


@pytest.mark.parametrize("name", SYSTEM)
def test_folders_of_systems_are_no_classes(
    images: Path, root: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tree(images, "cat/1.png", "dog/2.png", f"{name}/3.png", f"cat/{name}/4.png", f"dog/{name}/more/5.png")
    loaded = dataset(images, root).load()
    assert loaded.labels is not None
    assert (loaded.labels.tolist(), loaded.class_names) == ([0, 1], ("cat", "dog"))
    listed = ", ".join(sorted([name, f"cat/{name}", f"dog/{name}"]))
    assert (
        f"{images}: 2 images of 2 classes; left out: folders of systems and other programs: {listed}" in caplog.messages
    )


def test_folder_of_images_may_have_any_name(tmp_path: Path, root: Path) -> None:
    assert len(dataset(tree(tmp_path / ".hidden" / "lost+found", "a.png"), root).load().array) == 1


def test_folders_without_an_image_are_no_classes(images: Path, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tree(images, "cat/1.png", "dog/2.png")
    (images / "emu" / "empty").mkdir(parents=True)
    (images / "fox").mkdir()
    (images / "fox" / "notes.txt").touch()
    assert dataset(images, root).load().class_names == ("cat", "dog")
    left_out = "folders without an image: emu, fox; files that are no images: 1 .txt"
    assert f"{images}: 2 images of 2 classes; left out: {left_out}" in caplog.messages


def run_directory(folder: Path) -> None:
    tree(folder / "samples", "step_00000050.png")
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "config.yaml").touch()


def test_run_directories_are_left_out(images: Path, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tree(images, "cat/1.png", "dog/2.png")
    run_directory(images / "outputs" / "2026-01-01" / "12-00-00")
    tree(images / "multirun" / "x", "page.png")
    (images / "multirun" / "x" / "multirun.yaml").touch()
    loaded = dataset(images, root).load()
    assert (loaded.count, loaded.class_names) == (2, ("cat", "dog"))
    runs = "run directories: multirun/x, outputs/2026-01-01/12-00-00"
    assert f"{images}: 2 images of 2 classes; left out: {runs}" in caplog.messages
    tree(images / "own", ".hydra/a.png", "3.png")  # no run: it has no stored configuration
    assert dataset(images, root).load().class_names == ("cat", "dog", "own")


def test_run_whose_directory_is_the_folder_of_images_does_not_learn_its_own(
    images: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tree(images, "1.png", "2.png")
    before = dataset(images, root).load().array.copy()
    run_directory(images)
    hidden = "folders of systems and other programs: .hydra"
    loaded = dataset(images, root).load()
    assert np.array_equal(loaded.array, before)
    assert loaded.labels is None
    assert f"{images}: 2 images; left out: {hidden}; run directories: samples" in caplog.messages
    assert len(dataset(images / "samples", root).load().array) == 1


@pytest.mark.parametrize("names", [("cat/1.png", "cat/2.png"), ("cat/1.png", "dog/2.png", "3.png", "4.png")])
def test_other_trees_have_no_classes(images: Path, root: Path, names: tuple[str, ...]) -> None:
    assert dataset(tree(images, *names), root).load().labels is None


def test_links_are_followed_but_not_in_circles(images: Path, root: Path, tmp_path: Path) -> None:
    tree(images, "a/1.png", "b/2.png")
    tree(tmp_path / "elsewhere", "3.png")
    (images / "a" / "up").symlink_to(images)
    (images / "a" / "self").symlink_to("self")
    (images / "0_b").symlink_to(images / "b")
    (images / "c").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(images / "a" / "pipe.png")
    loaded = dataset(images, root).load()
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [0, 1, 2]


def test_corrupt_images_are_left_out_counted_and_named(
    images: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree(images, "cat/0.png", "cat/1.jpg", "cat/2.png", "dog/3.png", "dog/5.png")
    for name, damaged in (("1.jpg", (images / "cat/1.jpg").read_bytes()[:-200]), ("2.png", b"")):
        (images / "cat" / name).write_bytes(damaged)
    (images / "dog" / "4.bmp").symlink_to("nowhere")
    (images / "dog" / "6.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0")
    for _ in range(2):  # the second time from the cache
        caplog.clear()
        loaded = dataset(images, root).load()
        assert loaded.labels is not None
        assert loaded.labels.tolist() == [0, 1, 1]
        assert np.array_equal(loaded.array[1], reference(Image.open(images / "dog/3.png")))
        (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
        message = warning.getMessage()
        assert "left out 4 of 7 images" in message
        assert "cat/1.jpg (" in message
        assert "cat/2.png (no PNG, JPEG, WEBP, BMP, TIFF, GIF or PPM image)" in message
        assert "dog/4.bmp (No such file or directory)" in message
        assert "\n" not in message


@pytest.mark.parametrize("cached", [False, True])
def test_strict_refuses_the_first_corrupt_image(images: Path, root: Path, cached: bool) -> None:
    tree(images, "a.png", "b.png", "c.png")
    (images / "b.png").write_bytes(b"no image")
    (images / "c.png").write_bytes(b"no image")
    if cached:
        dataset(images, root).load()
    with pytest.raises(DataError, match=r"images/b.png: cannot be decoded \(no PNG.*strict=false"):
        dataset(images, root, strict=True).load()
    assert len(caches(root)) == cached


def bomb(width: int, height: int) -> bytes:
    """A small PNG that announces many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.mark.parametrize("extent", [(10_000, 10_000), (60_000, 60_000)])
@pytest.mark.filterwarnings("error")
def test_decompression_bombs_are_not_decoded(
    images: Path, root: Path, extent: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    tree(images, "a.png")
    (images / "bomb.png").write_bytes(bomb(*extent))
    assert len(dataset(images, root).load().array) == 1
    assert "left out 1 of 2" in caplog.text
    assert "pixels" in caplog.text


def test_folders_without_images(images: Path, root: Path) -> None:
    images.mkdir()
    with pytest.raises(
        DataError, match=r"images: no images there; looked for \.png \.jpg \.jpeg .* in it and below\.$"
    ):
        dataset(images, root).load()
    (images / "a.png").write_bytes(b"no image")
    (images / "b.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"images: none of the 2 images can be decoded, first a.png \("):
        dataset(images, root).load()
    assert caches(root) == []


def test_missing_folder_with_a_suggestion(images: Path, root: Path) -> None:
    tree(images / "birds", "1.png")
    with pytest.raises(DataError, match=r"there is no folder .*/images/brids\. Did you mean 'birds'\?"):
        dataset(images / "brids" / "train", root).load()
    with pytest.raises(DataError, match="a file; expected a folder"):
        dataset(images / "birds" / "1.png", root).load()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": None}, r"path: expected a folder of images \(dataset.path=DIR\), got None"),
        ({"size": 3}, "size: expected an integer from 4 to 1,024, got 3"),
        ({"size": 1025}, "size: "),
        ({"channels": 2}, r"channels: expected 1 \(grey\), 3 \(RGB\) or 4 \(RGB and alpha\), got 2"),
        ({"size": (8, 2)}, r"size: expected a list of integers from 4 to 1,024, got \[8, 2\]"),
        ({"background": "blak"}, "background: expected a color: a name such as black, #rrggbb, or .*, got 'blak'"),
        ({"workers": 0}, "workers: "),
        ({"root": ""}, "root: "),
    ],
)
def test_wrong_values_are_refused_before_anything_is_read(
    images: Path, root: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        ImageFolder(**{"path": str(images), "root": str(root), **settings})  # type: ignore[arg-type]


def test_names_that_are_no_text(images: Path, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(images, "good.png")
    name = os.fsdecode(b"bad\xff.png")
    try:
        (images / name).write_bytes(b"no image")
    except OSError:
        pytest.skip("needs a file system that takes any bytes as a name")
    for _ in range(2):
        caplog.clear()
        assert len(dataset(images, root).load().array) == 1
        assert r"bad\xff.png" in caplog.text


@pytest.mark.slow
def test_run_below_its_own_data_resumes_with_the_same_data(tmp_path: Path) -> None:
    """The run's own grids lie below ``dataset.path=.``, and are not there yet when it starts."""
    tree(tmp_path, *(f"{name}/{number}.png" for name in ("cat", "dog") for number in range(20)))
    arguments = ["dataset=image_folder", "dataset.path=.", "dataset.root=.", "dataset.size=8", "architecture=mlp",
                 "architecture.generator_hidden=[8]", "train.batch_size=4", "train.sample_every=2",
                 "device.threads=1"]  # fmt: skip
    command = [sys.executable, "-m", "gan_cli"]
    run = ["hydra.run.dir=outputs/a", "train.steps=2"]
    first = subprocess.run([*command, *arguments, *run], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert first.returncode == 0, first.stderr
    assert list((tmp_path / "outputs" / "a" / "samples").glob("*.png"))
    resumed = subprocess.run(
        [*command, "resume=outputs/a", "train.steps=4"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "run directories: outputs/a" in resumed.stderr + resumed.stdout
