"""Arrays of images in files of every format, whole, damaged or replaced; and pictures of more than 8 bits."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from gan_cli.data.image_decoding import Target, decode
from gan_cli.datasets.arrays import Arrays
from gan_cli.datasets.image_folder import ImageFolder
from gan_cli.storage.deep_pixels import Depth
from tests.fuzz.data_files import CHANGES
from tests.fuzz.strategies import damaged
from tests.helpers.deep_pictures import write_png

IMAGES = np.arange(6 * 8 * 8, dtype=np.float32).reshape(6, 8, 8)


def _saved(write: Any, suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"x{suffix}")
        write(path)
        return path.read_bytes()


def _hdf5(path: Path, **options: Any) -> None:
    import h5py  # type: ignore[import-untyped]

    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=IMAGES, **options)
        file["labels"] = np.arange(6) % 2


@functools.cache
def _contents() -> list[tuple[str, bytes]]:
    labels = np.arange(6) % 2
    found = [
        (".npy", _saved(lambda path: np.save(path, IMAGES), ".npy")),
        (".npy", _saved(lambda path: np.save(path, IMAGES.astype(">i8")), ".npy")),
        (".npy", _saved(lambda path: np.save(path, np.full((3, 8, 8), None), allow_pickle=True), ".npy")),
        (".npz", _saved(lambda path: np.savez(path, images=IMAGES, labels=labels), ".npz")),
        (".npz", _saved(lambda path: np.savez_compressed(path, images=IMAGES, labels=labels), ".npz")),
    ]
    with contextlib.suppress(ImportError):
        found.append((".h5", _saved(_hdf5, ".h5")))
        found.append((".hdf5", _saved(lambda path: _hdf5(path, chunks=(2, 8, 8), compression="gzip"), ".hdf5")))
    return found


@st.composite
def content(draw: Any) -> tuple[str, bytes]:
    suffix, whole = _contents()[draw(st.integers(0, len(_contents()) - 1))]
    return suffix, bytes(draw(damaged(whole))) if draw(st.booleans()) else whole


ARRAYS = st.tuples(content(), st.sampled_from(list(CHANGES)), st.booleans())


def _clear() -> None:
    for entry in os.scandir():
        (shutil.rmtree if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)


def arrays(drawn: tuple[tuple[str, bytes], str, bool]) -> None:
    """Load an array of any content, with labels or without, and read all of its rows."""
    (suffix, written), change, labelled = drawn
    _clear()
    path = Path(f"x{suffix}")
    path.write_bytes(written)
    CHANGES[change](path)
    dataset = Arrays(str(path), "root", labels="labels" if labelled else None)
    dataset.automatic_settings()
    loaded = dataset.load()
    assert np.isfinite(loaded.array[:].astype(np.float64)).all()
    assert loaded.array.shape[1:] == dataset.shape


ZARR_FILES = ["zarr.json", "images/zarr.json", "images/c/0/0/0"]
ZARR_TEXTS = st.text(max_size=30).map(str.encode) | st.binary(max_size=30)
ZARR = st.tuples(
    st.sampled_from(ZARR_FILES), ZARR_TEXTS | st.none(), st.integers(0, 4000), st.sampled_from(list(CHANGES))
)


def zarr(drawn: tuple[str, bytes | None, int, str]) -> None:
    """Load a zarr store one of whose files is another, or has other bytes at a place."""
    import zarr as library

    name, replacement, place, change = drawn
    _clear()
    library.save_group("x.zarr", images=IMAGES)
    path = Path("x.zarr", name)
    whole = path.read_bytes()
    path.write_bytes(whole[: place % len(whole)] + (replacement or b"") + whole[place % len(whole) + 1 :])
    CHANGES[change](path)
    dataset = Arrays("x.zarr", "root", range=(0.0, 400.0))
    assert dataset.load().array[:].shape[1:] == dataset.shape


def _picture(image: Image.Image, form: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form)
    return stream.getvalue()


@functools.cache
def _deep_pictures() -> list[bytes]:
    numbers = np.arange(9 * 7 * 4).reshape(9, 7, 4) * 250
    colors = [
        _saved(lambda path, channels=channels: write_png(path, numbers[..., :channels]), ".png")
        for channels in (1, 2, 3, 4)
    ]
    grey = Image.fromarray(numbers[..., 0].astype(np.uint16))
    floats = Image.fromarray(numbers[..., 0].astype(np.float32))
    return [*colors, _picture(grey, "TIFF"), _picture(floats, "TIFF"), _picture(Image.new("LA", (7, 9)), "PNG")]


@st.composite
def deep_picture(draw: Any) -> tuple[bytes, str, int]:
    whole = _deep_pictures()[draw(st.integers(0, len(_deep_pictures()) - 1))]
    found = bytes(draw(damaged(whole))) if draw(st.booleans()) else whole
    return found, draw(st.sampled_from(["uint16", "float32"])), draw(st.sampled_from([1, 3, 4]))


def deep(drawn: tuple[bytes, str, int]) -> None:
    """Decode a picture, and ask it and another for what suits them."""
    encoded, depth, channels = drawn
    target = Target((6, 5), channels, depth=Depth[depth], levels=(0.0, 1000.0))
    with contextlib.suppress(Exception):  # it may refuse with any; its caller tells of each by name
        pixels = decode(encoded, target)
        assert pixels.shape == target.shape
        assert pixels.dtype == target.dtype
    _clear()
    Path("images").mkdir()
    Path("images/a.png").write_bytes(encoded)
    settings = ImageFolder(path="images", root="root", size=8, channels=channels, depth=Depth.auto).automatic_settings()
    low, high = settings["range"].value
    assert low < high


KINDS = {"arrays": (ARRAYS, arrays), "zarr": (ZARR, zarr), "deep pictures": (deep_picture(), deep)}
