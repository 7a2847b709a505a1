"""Trees of pictures, the dataset that reads them, and what it has to read, in the straightforward way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from gan_cli.datasets.image_folder import ImageFolder

SIZE = 16


def picture(seed: int, width: int = 20, height: int = 20, channels: int = 3) -> Image.Image:
    """Smooth and colourful, different for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), dtype=np.uint8)
    return Image.fromarray(coarse.squeeze()).resize((width, height), Image.Resampling.BICUBIC)


def tree(folder: Path, *names: str) -> Path:
    """Pictures of these names."""
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(seed).save(folder / name)
    return folder


def dataset(path: Path, root: Path, **settings: object) -> ImageFolder:
    return ImageFolder(**{"path": str(path), "root": str(root), "size": SIZE, **settings})  # type: ignore[arg-type]


def reference(image: Image.Image, size: int = SIZE, mode: str = "RGB") -> np.ndarray:
    """The straightforward way: ``(C, size, size)``."""
    image = ImageOps.exif_transpose(image).convert(mode)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    array = np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))
    return array[None] if mode == "L" else array.transpose(2, 0, 1)


def caches(root: Path) -> list[Path]:
    return sorted((root / "image_folder").iterdir())
