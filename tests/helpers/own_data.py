"""The files that docs/data.md names, small and made up: 40 samples each."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

COUNT = 40


def _picture(index: int, height: int, width: int, channels: int = 3) -> Image.Image:
    """A gradient whose color depends on the index; the last of four channels is transparent at the left."""
    rows, columns = np.mgrid[0:height, 0:width]
    parts = [255 * rows / height, 255 * columns / width, np.full(rows.shape, 10.0 * index), 255 * (columns > width / 4)]
    stacked = np.stack(parts[:channels], axis=-1).astype(np.uint8)
    return Image.fromarray(stacked[:, :, 0] if channels == 1 else stacked)


def _encoded(image: Image.Image, suffix: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}[suffix])
    return stream.getvalue()


def _photos() -> Iterator[tuple[str, bytes]]:
    for index in range(COUNT):
        yield f"photo{index:02d}.jpg", _encoded(_picture(index, 24 + index, 40), ".jpg")


def _by_class() -> Iterator[tuple[str, bytes]]:
    for index, (name, content) in enumerate(_photos()):
        yield f"{('cats', 'dogs')[index % 2]}/{name}", content


def _by_part() -> Iterator[tuple[str, bytes]]:
    for name, content in _by_class():
        for part in ("train", "test"):
            yield f"{part}/{name}", content


def _written(folder: Path, files: Iterator[tuple[str, bytes]]) -> None:
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _scans(folder: Path) -> None:
    """Grey pictures of 16 bits of which 12 are used."""
    folder.mkdir(parents=True)
    for index in range(COUNT):
        values = np.linspace(0, 4095, 40 * 40).reshape(40, 40) * (index + 1) / COUNT
        Image.fromarray(values.astype(np.uint16)).save(folder / f"scan{index:02d}.png")


def _sprites(folder: Path) -> None:
    _written(folder, ((f"{i:02d}.png", _encoded(_picture(i, 16, 16, 4), ".png")) for i in range(COUNT)))


def _volume() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Fields ``(N, H, W)`` about a mean of 300, as of a simulation."""
    rows, columns = np.mgrid[0:16, 0:24]
    waves = [300 + 20 * np.sin(rows / 3 + index) * np.cos(columns / 5) for index in range(COUNT)]
    return np.stack(waves).astype(np.float32)


def _bands() -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    """Images of a satellite with six channels, ``(N, C, H, W)``."""
    return np.random.default_rng(0).integers(0, 10_000, (COUNT, 6, 16, 16)).astype(np.uint16)


def _hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["density"] = _volume()
        file["other"] = np.zeros(3)


def _zarr(path: Path) -> None:
    import zarr

    zarr.save_group(str(path), density=_volume())


def _zip(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)


def _tar(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _nvidia() -> Iterator[tuple[str, bytes]]:
    names = [f"00000/img{index:08d}.png" for index in range(COUNT)]
    labels = [[name, index % 3] for index, name in enumerate(names)]
    yield from ((name, _encoded(_picture(i, 16, 16), ".png")) for i, name in enumerate(names))
    yield "dataset.json", json.dumps({"labels": labels}).encode()


def _shards(folder: Path) -> None:
    folder.mkdir(parents=True)
    for shard in range(2):
        members = [
            item
            for index in range(COUNT // 2)
            for item in (
                (f"{shard}{index:03d}.jpg", _encoded(_picture(index, 20, 20), ".jpg")),
                (f"{shard}{index:03d}.cls", str(index % 2).encode()),
            )
        ]
        _tar(folder / f"shard-{shard:04d}.tar", iter(members))


def _idx_bytes(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def _idx(folder: Path) -> None:
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28)).astype(np.uint8)
    labels = (np.arange(COUNT) % 4).astype(np.uint8)
    for part in ("train", "test"):
        (folder / f"emnist-letters-{part}-images-idx3-ubyte").write_bytes(_idx_bytes(images))
        (folder / f"emnist-letters-{part}-labels-idx1-ubyte").write_bytes(_idx_bytes(labels))


def _table(columns: int, names: str = "abcdefgh", separator: str = ",") -> str:
    values = np.random.default_rng(0).normal(size=(40, columns)) @ np.diag(np.arange(1.0, columns + 1))
    rows = [separator.join(names[:columns]), *(separator.join(f"{value:.4f}" for value in row) for row in values)]
    return "\n".join(rows) + "\n"


def _ring(path: Path) -> None:
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 60)
    rows = [f"{np.cos(angle):.4f},{np.sin(angle):.4f},{angle:.4f}" for angle in angles]
    path.write_text("\n".join(["x,y,angle", *rows]) + "\n")


def _parquet(path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    values = np.random.default_rng(0).normal(size=(40, 3))
    parquet.write_table(pyarrow.table({name: values[:, index] for index, name in enumerate("abc")}), path)


def _labels(path: Path, heading: str, label: Callable[[int], str]) -> None:
    rows = [f"photo{index:02d}.jpg,{label(index)}" for index in range(COUNT)]
    path.write_text("\n".join([heading, *rows]) + "\n")


MAKERS: Mapping[str, Callable[[Path], None]] = {
    "photos": lambda path: _written(path, _photos()),
    "photos_by_class": lambda path: _written(path, _by_class()),
    "photos_in_parts": lambda path: _written(path, _by_part()),
    "scans": _scans,
    "sprites": _sprites,
    "fields.npy": lambda path: np.save(path, _volume()),
    "fields.npz": lambda path: np.savez(path, density=_volume(), other=np.zeros(3)),
    "fields.h5": _hdf5,
    "fields.zarr": _zarr,
    "satellite.npy": lambda path: np.save(path, _bands()),
    "photos.zip": lambda path: _zip(path, _by_class()),
    "photos.tar": lambda path: _tar(path, _photos()),
    "nvidia.zip": lambda path: _zip(path, _nvidia()),
    "shards": _shards,
    "letters": _idx,
    "points.csv": lambda path: path.write_text(_table(2)) and None,
    "measurements.tsv": lambda path: path.write_text(_table(5, separator="\t")) and None,
    "measurements.parquet": _parquet,
    "heights.csv": lambda path: path.write_text(_table(1)) and None,
    "ring.csv": _ring,
    "points.npy": lambda path: np.save(path, np.random.default_rng(0).normal(size=(40, 2))),
    "captions.txt": lambda path: path.write_text("a man rides a horse\na dog sits on the grass\n" * COUNT) and None,
    "species.csv": lambda path: _labels(path, "file,species", lambda index: ("cat", "dog", "fox")[index % 3]),
    "attributes.csv": lambda path: _labels(path, "file,young,smiling", lambda index: f"{index % 2},{index // 2 % 2}"),
    "ages.csv": lambda path: _labels(path, "file,age", lambda index: f"{20.5 + index}"),
}


def make_own_data(name: str, folder: Path) -> None:
    """Make a file or folder of a name that docs/data.md has."""
    path = folder / name
    if not path.exists():
        MAKERS[name](path)
