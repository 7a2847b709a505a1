"""Arrays in files of every format: the same images, in the units of the data, and one line for what is none."""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gan_cli.config.compose import compose, register
from gan_cli.config.schema import DataPlacement
from gan_cli.data.array_layout import ArrayLayout
from gan_cli.data.fingerprint import fingerprint
from gan_cli.data.normalization import Normalization, stored_tensor
from gan_cli.data.samplers import choose_sampler
from gan_cli.datasets.arrays import Arrays
from gan_cli.errors import DataError, InvalidValueError
from gan_cli.protocols.data import Images
from gan_cli.runtime.distributed import SingleProcess

Numbers = npt.NDArray[Any]
RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (20, 8, 12, 3)).astype(np.uint8)


def write_npy(folder: Path, numbers: Numbers) -> Path:
    np.save(folder / "x.npy", numbers)
    return folder / "x.npy"


def write_npz(folder: Path, numbers: Numbers) -> Path:
    np.savez(folder / "x.npz", other=np.zeros(3), images=numbers)
    return folder / "x.npz"


def write_packed(folder: Path, numbers: Numbers) -> Path:
    np.savez_compressed(folder / "p.npz", images=numbers)
    return folder / "p.npz"


def write_hdf5(folder: Path, numbers: Numbers) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "x.h5", "w") as file:
        file["group/images"] = numbers
    return folder / "x.h5"


def write_chunked(folder: Path, numbers: Numbers) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "c.hdf5", "w") as file:
        file.create_dataset("images", data=numbers, chunks=(3, *numbers.shape[1:]), compression="gzip")
    return folder / "c.hdf5"


def write_zarr(folder: Path, numbers: Numbers) -> Path:
    zarr = pytest.importorskip("zarr")
    zarr.save_array(str(folder / "x.zarr"), numbers)
    return folder / "x.zarr"


def write_zarr_group(folder: Path, numbers: Numbers) -> Path:
    zarr = pytest.importorskip("zarr")
    zarr.save_group(str(folder / "g.zarr"), images=numbers, labels=np.arange(len(numbers)))
    return folder / "g.zarr"


WRITERS = [write_npy, write_npz, write_packed, write_hdf5, write_chunked, write_zarr, write_zarr_group]


def normalized(loaded: Images) -> Numbers:
    numbers: Numbers = Normalization(loaded.levels)(stored_tensor(np.ascontiguousarray(loaded.array[:]))).numpy()
    return numbers


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("dtype", ["u1", ">u2", "<f4", "f8", "?"])
def test_every_format_has_the_same_images(write: Callable[[Path, Numbers], Path], dtype: str, tmp_path: Path) -> None:
    numbers = (BYTES > 99) if dtype == "?" else BYTES.astype(dtype)
    dataset = Arrays(str(write(tmp_path, numbers)), str(tmp_path / "root"))
    loaded = dataset.load()
    assert loaded.array.shape == (20, 3, 8, 12) == (20, *dataset.shape)
    high = 1 if dtype == "?" else 255
    expected = numbers.astype(np.float64).transpose(0, 3, 1, 2) * 2 / high - 1
    assert np.allclose(normalized(loaded), expected, atol=1e-6)
    assert np.allclose(dataset.coordinates(expected.astype(np.float32)), numbers.transpose(0, 3, 1, 2), atol=1e-4)
    again = Arrays(str(tmp_path / dataset._path.name), str(tmp_path / "root")).load()
    assert fingerprint(loaded) == fingerprint(again)


KEPT = {"u1": "u1", "u2": "u2", ">u2": "u2", "f2": "f2", ">f4": "f4", "f8": "f4", "i8": "f4", "i2": "f4", "?": "u1"}


@pytest.mark.parametrize(("dtype", "stored"), KEPT.items())
def test_numbers_are_stored_in_their_own_type_where_samples_can_be(dtype: str, stored: str, tmp_path: Path) -> None:
    path = write_npy(tmp_path, (BYTES > 99) if dtype == "?" else BYTES.astype(dtype))
    assert Arrays(str(path), "root").load().array.dtype == np.dtype(stored)


def test_wide_integers_and_far_values_keep_their_differences(tmp_path: Path) -> None:
    for numbers in (BYTES.astype(np.int64) + 10**15, BYTES.astype(np.float64) + 1e9, np.float32(2**23) + BYTES):
        dataset = Arrays(str(write_npy(tmp_path, numbers)), "root")
        values = normalized(dataset.load()).astype(np.float64)
        low, high = dataset.levels
        least = float(numbers.min())
        differences = (numbers - numbers.min()).transpose(0, 3, 1, 2)
        assert np.allclose((values + 1) * (high - low) / 2 + (low - least), differences, atol=0.01)


@pytest.mark.parametrize("placement", [DataPlacement.resident, DataPlacement.streamed])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_samplers_serve_the_rows_of_the_array(placement: DataPlacement, dtype: str, order: Any, tmp_path: Path) -> None:
    path = write_npy(tmp_path, np.asarray(BYTES.astype(dtype), order=order))
    loaded = Arrays(str(path), "root", mirror=True).load()
    cpu = torch.device("cpu")
    sampler = choose_sampler(loaded, 8, cpu, placement)(loaded, 8, 0, cpu, 1, SingleProcess())
    expected = BYTES.transpose(0, 3, 1, 2) / 127.5 - 1
    known = {row.tobytes() for row in np.rint((np.concatenate([expected, expected[..., ::-1]]) + 1) * 127.5)}
    served = []
    for _ in range(5):
        sampler.prepare(1)
        served += [row.tobytes() for row in np.rint((sampler.take(1).samples.numpy().astype(np.float64) + 1) * 127.5)]
    sampler.close()
    assert set(served) == known
    assert len(served) == len(known)


def test_compressed_array_is_copied_once_and_mapped_after_that(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_packed(tmp_path, BYTES)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            Arrays(str(path), str(tmp_path / "root")).load()
        assert sum("is copied to" in line for line in caplog.messages) == 1
        (copy,) = (tmp_path / "root" / "arrays").iterdir()
        copy.write_bytes(b"damaged")
        assert np.array_equal(Arrays(str(path), str(tmp_path / "root")).load().array[:], BYTES.transpose(0, 3, 1, 2))
    assert any("damaged" in line for line in caplog.messages)


def test_plain_npz_and_hdf5_are_mapped_where_they_are(tmp_path: Path) -> None:
    for write in (write_npz, write_hdf5):
        Arrays(str(write(tmp_path, BYTES)), str(tmp_path / "root")).load()
    assert not (tmp_path / "root").exists()


def test_labels_beside_the_images_and_in_a_file(tmp_path: Path) -> None:
    numbers = np.arange(20) % 3
    np.savez(tmp_path / "x.npz", images=BYTES, labels=numbers, names=numbers * 10 - 10)
    np.save(tmp_path / "l.npy", numbers[:, None].astype(float))
    plain = Arrays(str(tmp_path / "x.npz"), "root", labels="labels", key="images").load()
    assert np.array_equal(np.asarray(plain.labels), numbers)
    assert plain.class_names == ()
    named = Arrays(str(tmp_path / "x.npz"), "root", labels="names").load()
    assert named.class_names == ("-10", "0", "10")
    from_file = Arrays(str(tmp_path / "x.npz"), "root", labels=str(tmp_path / "l.npy")).load()
    assert np.array_equal(np.asarray(from_file.labels), numbers)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.arange(20), "20 classes of 20 rows"),
        (np.arange(19), "labels of shape"),
        (np.full(20, 0.5), "no whole numbers"),
        (np.full(20, np.nan), "no whole numbers"),
        (np.full(20, "x"), "not of numbers"),
    ],
)
def test_labels_that_are_none_are_one_line(labels: Numbers, words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=BYTES, labels=labels)
    with pytest.raises(DataError, match=words):
        Arrays(str(tmp_path / "x.npz"), "root", labels="labels").load()
    with pytest.raises(DataError, match=r"no array 'label'\. Did you mean 'labels'"):
        Arrays(str(tmp_path / "x.npz"), "root", labels="label").load()


def broken(kind: str, folder: Path) -> Path:
    path = folder / "x.npy"
    if kind == "object":
        np.save(path, np.array([{}, {}, {}], object), allow_pickle=True)
    elif kind == "truncated":
        np.save(path, BYTES)
        os.truncate(path, path.stat().st_size - 9)
    elif kind == "forged":
        header = {"descr": "|u1", "fortran_order": False, "shape": (2**40, 8, 8)}
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
    elif kind == "complex":
        np.save(path, BYTES.astype(complex))
    elif kind == "text":
        np.save(path, BYTES.astype(str))
    elif kind == "structured":
        np.save(path, np.zeros((4, 8, 8), [("a", "u1")]))
    elif kind == "empty":
        np.save(path, BYTES[:0])
    elif kind == "one":
        np.save(path, BYTES[:1])
    elif kind == "NaN":
        np.save(path, np.where(np.arange(20)[:, None, None, None] == 7, np.nan, BYTES))
    elif kind == "no file":
        (folder / "y.npy").touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("object", "an array of object"),
        ("truncated", "its header announces"),
        ("forged", "its header announces"),
        ("complex", "complex numbers"),
        ("text", "not of numbers"),
        ("structured", "not of numbers"),
        ("empty", "two or more"),
        ("one", "two or more"),
        ("NaN", "row 7 holds NaN or infinity"),
        ("no file", "no such file. Did you mean 'y.npy'"),
        ("folder", "Is a directory"),
        ("FIFO", "not a regular file"),
    ],
)
def test_what_is_no_array_of_images_is_one_line(kind: str, words: str, tmp_path: Path) -> None:
    path = broken(kind, tmp_path)
    with pytest.raises(DataError, match=words):
        Arrays(str(path), str(tmp_path / "root")).load()
    assert not (tmp_path / "root").exists()


def test_nan_in_rows_that_were_not_looked_at_is_named_when_they_are_read(tmp_path: Path) -> None:
    numbers = np.zeros((3000, 8, 8), np.float32)
    numbers[1] = np.inf
    loaded = Arrays(str(write_npy(tmp_path, numbers)), "root", range=(0.0, 1.0)).load()
    assert loaded.array[np.array([0, 2])].shape == (2, 1, 8, 8)
    with pytest.raises(DataError, match="row 1 holds NaN or infinity"):
        loaded.array[:]


def test_keys_are_listed_and_the_nearest_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", train=BYTES, test=BYTES)
    with pytest.raises(DataError, match=r"dataset\.key chooses one: train, test"):
        Arrays(str(tmp_path / "x.npz"), "root").load()
    with pytest.raises(DataError, match=r"no array 'trian'\. Did you mean 'train'\? There are: train, test"):
        Arrays(str(tmp_path / "x.npz"), "root", key="trian").load()
    with pytest.raises(DataError, match="single array"):
        Arrays(str(write_npy(tmp_path, BYTES)), "root", key="x").load()


def test_archive_members_are_no_paths_and_twice_is_no_archive(tmp_path: Path) -> None:
    content = write_npy(tmp_path, BYTES).read_bytes()
    with zipfile.ZipFile(tmp_path / "e.npz", "w") as archive:
        archive.writestr("../../evil.npy", content)
    assert len(Arrays(str(tmp_path / "e.npz"), "root").load().array) == 20
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("a.npy", content)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", content)
    with pytest.raises(DataError, match="two members of one name"):
        Arrays(str(tmp_path / "d.npz"), "root").load()


def test_links_out_of_an_hdf5_file_are_not_followed(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    other = write_hdf5(tmp_path, BYTES)
    with h5py.File(tmp_path / "l.h5", "w") as file:
        file["images"] = h5py.ExternalLink(str(other), "group/images")
        file.create_dataset("raw", (20, 8, 8), "u1", external=[(str(tmp_path / "raw.bin"), 0, 20 * 64)])
    (tmp_path / "raw.bin").write_bytes(bytes(20 * 64))
    with pytest.raises(DataError, match="no array 'images'"):
        Arrays(str(tmp_path / "l.h5"), "root", key="images").load()
    with pytest.raises(DataError, match="lie in other files"):
        Arrays(str(tmp_path / "l.h5"), "root", key="raw").load()


def test_codec_of_zarr_that_unpickles_is_not_read(tmp_path: Path) -> None:
    path = write_zarr(tmp_path, BYTES) / "zarr.json"
    path.write_text(path.read_text().replace('"zstd"', '"numcodecs.pickle"'))
    with pytest.raises(DataError, match="codec 'pickle'"):
        Arrays(str(path.parent), "root").load()


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    path = str(write_npy(tmp_path, BYTES))
    for value in ((1.0, 0.0), (0.0, float("inf")), (float("nan"), 1.0), (3.0, 3.0)):
        with pytest.raises(InvalidValueError, match="range"):
            Arrays(path, "root", range=value)
    with pytest.raises(DataError, match="arrays are taken as they are"):
        Arrays(path, "root", size=16, channels=3).require_files()


def test_what_the_data_decide_is_stored_with_the_run(tmp_path: Path) -> None:
    register()
    path = write_npy(tmp_path, BYTES.astype(np.uint16) * 16)
    composed = compose(["dataset=arrays", f"dataset.path={path}"])
    dataset = composed.config.dataset
    assert (dataset.layout, list(dataset.size), dataset.channels) == ("nhwc", [8, 12], 3)
    assert list(dataset.range) == [0, 4095]
    assert "uint16" in composed.chosen["dataset.range"].reason
    assert composed.config.train.batch_size == 8
    path.unlink()
    stored = Arrays(str(path), "root", layout=ArrayLayout.nhwc, size=(8, 12), channels=3, range=(0.0, 4095.0))
    assert stored.shape == (3, 8, 12)
    assert stored.coordinates(np.zeros((1, 3, 8, 12), np.float32)).flat[0] == 2047.5


def test_own_values_win_over_those_of_the_data(tmp_path: Path) -> None:
    register()
    path = write_npy(tmp_path, BYTES)
    composed = compose(["dataset=arrays", f"dataset.path={path}", "dataset.range=[0,100]", "dataset.layout=nhwc"])
    assert list(composed.config.dataset.range) == [0, 100]
    assert composed.chosen.keys() >= {"dataset.size", "dataset.channels"}
    assert "dataset.range" not in composed.chosen
