"""Small data of the right kinds, written to disk."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def make_folder(folder: Path, count: int) -> Path:
    """``count`` random 12 x 10 JPEGs in two sub-folders."""
    random = np.random.default_rng(0)
    for index in range(count):
        file = folder / f"class_{index % 2}" / f"{index}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(file)
    return folder


def archive_folder(folder: Path, archive: Path) -> Path:
    """A zip archive of what is in a folder."""
    with zipfile.ZipFile(archive, "w") as opened:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            opened.write(file, file.relative_to(folder).as_posix())
    return archive


def write_idx(path: Path, count: int, side: int = 8) -> Path:
    """Random grey images in an IDX file, without labels."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side), dtype=np.uint8)
    path.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, *pixels.shape) + pixels.tobytes())
    return path
