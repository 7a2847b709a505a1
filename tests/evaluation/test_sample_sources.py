"""Samples of others: folder, archive and arrays of the same pictures are the same samples; the rest costs a line."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_cli.datasets.digits import Digits
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.datasets.image_folder import ImageFolder
from gan_cli.errors import ConfigError
from gan_cli.evaluation.sample_files import FileSamples, ValueRange, read_samples
from gan_cli.protocols.data import Dataset
from gan_cli.storage.deep_pixels import Depth
from gan_cli.storage.deep_png import DeepImage
from gan_cli.telemetry.images import to_bytes
from tests.conftest import SHORT, TINY, Command, FinishedRun

PICTURES = Digits().load().array[:24]
COLOURS = np.random.default_rng(0).integers(0, 256, (12, 3, 6, 5), dtype=np.uint8)


def photos(size: tuple[int, int] = (6, 5), **settings: Any) -> ImageFolder:
    return ImageFolder(path="photos", root=".", size=size, **settings)


def png(pixels: Any, form: str = "PNG", **options: Any) -> bytes:
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def written(files: dict[str, bytes], folder: str = "own") -> Path:
    for name, content in files.items():
        (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
        (Path(folder) / name).write_bytes(content)
    return Path(folder)


def zipped(files: dict[str, bytes], name: str = "own.zip") -> Path:
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    return Path(name)


def tarred(files: dict[str, bytes], name: str = "own.tar.gz") -> Path:
    with tarfile.open(name, "w:gz") as archive:
        for member, content in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return Path(name)


def digits(count: int = 24) -> dict[str, bytes]:
    return {f"{index}.png": png(PICTURES[index]) for index in range(count)}


def read(path: Path, dataset: Dataset | None = None, *arguments: Any) -> FileSamples:
    return read_samples(path, Digits() if dataset is None else dataset, *arguments)


def refused(path: Path, dataset: Dataset | None = None, *arguments: Any) -> str:
    with pytest.raises(ConfigError) as error:
        read(path, dataset, *arguments)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize("store", [written, zipped, tarred])
def test_pictures_are_read_in_the_order_of_their_numbers(store: Any, workplace: Path) -> None:
    names = sorted(digits(), reverse=True)  # 9.png comes first, 10.png before 2.png
    path = store({**{name: digits()[name] for name in names}, "notes.txt": b"a"})
    samples = read(path)
    assert np.array_equal(to_bytes(samples.samples), PICTURES)
    assert samples.facts == {"file": str(path), "checksum": samples.facts["checksum"], "range": [0, 255],
                             "values": "uint8 from 0 to 255", "pictures": 24, "first": "0.png"}  # fmt: skip
    assert np.array_equal(read(path, None, 11).samples, samples.samples[:11])
    assert not {file.name for file in workplace.iterdir()} - {path.name}, "nothing is unpacked"


def test_checksum_is_of_the_pixels_whatever_they_are_stored_in(workplace: Path) -> None:
    np.save("own.npy", PICTURES)
    np.savez("own.npz", PICTURES)
    paths = [Path("own.npy"), Path("own.npz"), written(digits()), zipped(digits())]
    assert len({read(path).facts["checksum"] for path in paths}) == 1


def test_folders_within_are_read_by_their_whole_names(workplace: Path) -> None:
    files = {f"{index // 12}/{index}.png": content for index, content in enumerate(digits().values())}
    assert np.array_equal(to_bytes(read(written(files)).samples), PICTURES)


def test_dark_pictures_stay_dark(workplace: Path) -> None:
    """An array of bytes of 0 and 1 is black and white; of pictures it is known what white is."""
    files = {f"{index}.png": png(np.full((1, 8, 8), index % 2, np.uint8)) for index in range(12)}
    assert read(written(files)).samples.max() == pytest.approx(-1 + 2 / 255)
    assert read(Path("own"), None, None, ValueRange(0, 1)).samples.max() == 1


@pytest.mark.parametrize(("form", "suffix", "options"), [("PNG", "png", {}), ("WEBP", "webp", {"lossless": True}),
                                                        ("BMP", "bmp", {}), ("TIFF", "tif", {})])  # fmt: skip
def test_colours_in_any_format(form: str, suffix: str, options: dict[str, Any], workplace: Path) -> None:
    files = {f"{index}.{suffix}": png(each, form, **options) for index, each in enumerate(COLOURS)}
    assert np.array_equal(to_bytes(read(written(files), photos()).samples), COLOURS)


def test_grey_and_colours_are_converted_as_those_of_the_data(workplace: Path) -> None:
    colours = {f"{index}.png": png(each) for index, each in enumerate(COLOURS)}
    grey = [np.asarray(Image.fromarray(np.moveaxis(each, 0, -1)).convert("L")) for each in COLOURS]
    assert np.array_equal(to_bytes(read(written(colours), photos(channels=1)).samples)[:, 0], grey)
    of_grey = {f"{index}.png": png(each[None]) for index, each in enumerate(grey)}
    samples = to_bytes(read(written(of_grey, "grey"), photos()).samples)
    assert all(np.array_equal(samples[:, channel], grey) for channel in range(3))
    sheer = np.zeros((4, 6, 5), np.uint8)
    clear = {f"{index}.png": png(sheer) for index in range(10)}
    assert (read(written(clear, "clear"), photos()).samples == 1).all(), "transparent: white, as of the data"


def test_sixteen_bits_are_rounded_for_data_of_eight_and_kept_for_data_of_sixteen(workplace: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (12, 6, 5, 1), dtype=np.uint16)
    path = written({f"{index}.png": DeepImage(each).png() for index, each in enumerate(deep)})
    settings: dict[str, Any] = {"channels": 1, "range": (0.0, 65535.0)}
    whole = read(path, photos(depth=Depth.uint16, **settings))
    assert (whole.facts["range"], whole.samples.shape) == ([0, 65535], (12, 1, 6, 5))
    assert np.abs((whole.samples + 1) * 32767.5 - deep.transpose(0, 3, 1, 2)).max() < 0.01
    rounded = read(path, photos(channels=1))
    assert np.array_equal(to_bytes(rounded.samples), (deep.transpose(0, 3, 1, 2).astype(int) + 128) // 257)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_a_file_of_several(save: Any, workplace: Path) -> None:
    stored = PICTURES / 255.0
    for arrays, name in (({"x": stored}, "x"), ({"samples": stored, "arr_0": stored[:2]}, "samples"),
                         ({"arr_0": stored, "arr_1": np.arange(24)}, "arr_0")):  # fmt: skip
        save("own.npz", **arrays)
        samples = read(Path("own.npz"))
        assert np.array_equal(to_bytes(samples.samples), PICTURES)
        assert samples.facts["array"] == name
        assert np.array_equal(read(Path("own.npz"), None, 13).samples, samples.samples[:13])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_channels_that_come_last_in_such_a_file_are_put_first(save: Any, workplace: Path) -> None:
    save("own.npz", COLOURS.transpose(0, 2, 3, 1))
    samples = read(Path("own.npz"), photos())
    assert np.array_equal(to_bytes(samples.samples), COLOURS)
    assert samples.facts["layout"] == "channels last"


def test_points_of_a_file_of_several(workplace: Path) -> None:
    points = np.random.default_rng(0).normal(size=(20, 2))
    np.savez("points.npz", points)
    np.save("points.npy", points)
    assert np.array_equal(read(Path("points.npz"), Ring()).samples, read(Path("points.npy"), Ring()).samples)


def huge() -> bytes:
    """A few bytes that announce 60,000 x 60,000 pixels."""
    small = png(PICTURES[0])
    header = b"IHDR" + struct.pack(">II", 60000, 60000) + small[24:29]
    return small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]


WRONG: dict[str, tuple[dict[str, bytes], str]] = {
    "empty": ({"notes.txt": b""}, "own has no pictures; looked for .png .jpg"),
    "few": (digits(9), "expected 10 samples or more, got 9 in own"),
    "other size": ({**digits(12), "5.png": png(COLOURS[0])}, "expected pictures of 8x8 pixels, as the run's data are,"
                   " got one of 5x6: own: 5.png"),
    "announced": ({**digits(12), "11.png": huge()}, "got one of 60000x60000: own: 11.png"),
    "text": ({**digits(12), "a.png": b"none"}, "own: a.png cannot be decoded: no PNG, JPEG"),
    "half": ({**digits(12), "3.png": digits(4)["3.png"][:60]}, "own: 3.png cannot be decoded: "),
    "nothing": ({**digits(12), "3.png": b""}, "own: 3.png cannot be decoded: "),
    "odd name": ({**digits(12), "\x1b[31m.png": b""}, "own: \\x1b[31m.png cannot be decoded: "),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("store", [written, zipped])
def test_wrong_pictures_cost_a_line_with_their_names(store: Any, name: str, workplace: Path) -> None:
    files, words = WRONG[name]
    path = store(files)
    assert words.replace("own", path.name, 1) in refused(path)


def test_wrong_pictures_beyond_the_first_are_not_looked_at(workplace: Path) -> None:
    path = written({**digits(12), "99.png": b"none"})
    assert len(read(path, None, 12).samples) == 12
    assert refused(path, None, 14) == "--n: expected 13 at most, the samples in own, got 14"


def test_folder_and_archive_that_cannot_be_read(workplace: Path) -> None:
    Path("own.zip").write_bytes(b"PK\x03\x04 and no more")
    assert refused(Path("own.zip")).startswith("--samples: own.zip: a damaged or truncated archive (")
    Path("own.tar").write_bytes(b"x" * 600)
    assert refused(Path("own.tar")).startswith("--samples: own.tar: no zip or tar archive")
    assert "no.zip: cannot be read (No such file or directory)" in refused(Path("no.zip"))
    assert "leads out of it" in refused(zipped({**digits(12), "../../x.png": b""}))
    broken = bytearray(zipped(digits(12)).read_bytes())
    broken[60:70] = bytes(10)
    Path("own.zip").write_bytes(broken)
    assert refused(Path("own.zip")).startswith("--samples: own.zip: 0.png cannot be decoded: ")


def test_one_picture_is_no_folder_of_them(workplace: Path) -> None:
    words = refused(written(digits(1)) / "0.png")
    assert words == "--samples: own/0.png is one picture; expected a folder or an archive of pictures, or an array"


def test_bomb_is_not_unpacked(workplace: Path) -> None:
    bomb = bytes(2**21)
    path = zipped({f"{index}.png": bomb for index in range(600)})
    assert "unpacks to more than 1,073,741,824 bytes" in refused(path)
    np.savez_compressed("own.npz", samples=np.zeros((120_000, 1, 8, 8)))
    assert refused(Path("own.npz")).endswith("has 120,000 samples, more than 100,000: --n measures the first")
    assert len(read(Path("own.npz"), None, 20).samples) == 20


def test_pictures_where_the_data_are_none(workplace: Path) -> None:
    words = refused(written(digits()), Ring())
    assert words == "--samples: own holds pictures, and this run learned points: expected an array of them"


def test_arrays_that_are_none(workplace: Path) -> None:
    np.savez("own.npz", a=PICTURES, b=PICTURES)
    assert refused(Path("own.npz")) == (
        "--samples: expected one array, or one that is called samples or arr_0, got a, b in own.npz"
    )
    np.savez("own.npz", samples=np.array([{}] * 20))
    assert refused(Path("own.npz")).startswith("--samples: own.npz: ")
    Path("own.npz").write_bytes(pickle.dumps(PICTURES))
    assert refused(Path("own.npz")).startswith("--samples: own.npz: no whole zip archive")
    np.savez("own.npz", np.array(["a"] * 20))
    assert "is no array of numbers, but one of <U1" in refused(Path("own.npz"))
    np.savez("own.npz", np.zeros((20, 3, 8, 8)))
    assert "expected an array of shape (N, 1, 8, 8), got (20, 3, 8, 8) in own.npz" in refused(Path("own.npz"))
    np.savez("own.npz")
    assert "got none in own.npz" in refused(Path("own.npz"))


def test_separate_pictures_of_a_run_score_as_the_run(
    finished_run: FinishedRun, gan_sample: Command, gan_eval: Command
) -> None:
    finished_run("run", *SHORT, *TINY)
    assert gan_sample("run", "--n", 40, "--separate", "own", "--out", "own.npy").status == 0
    options = ("--n", 40, "--backbone", "pixels", "--json")
    folder, array = (gan_eval("run", "--samples", path, *options) for path in ("own", "own.npy"))
    assert (folder.status, array.status) == (0, 0), folder.err + array.err
    one, other = (json.loads(done.out) for done in (folder, array))
    for name, figure in one["figures"].items():
        assert figure["value"] == pytest.approx(other["figures"][name]["value"], rel=0.05, abs=0.05), name
    assert one["generator"]["pictures"] == 40
    assert one["generator"]["first"] == "seed0000_00000.png"
    assert "taken as images in" not in folder.err or "[0, 255]" in folder.err
