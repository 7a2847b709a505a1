"""Small data of the right kinds, written to disk."""

from __future__ import annotations

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
