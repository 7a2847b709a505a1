"""Tables of images as the hub stores them, the dataset that reads them, and what it has to read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from gan_cli.datasets.huggingface import HuggingFace
from tests.helpers.image_trees import picture, reference

SIZE = 16
COUNT = 7


def encoded(seed: int) -> bytes:
    stream = io.BytesIO()
    picture(seed, 20, 24).save(stream, "PNG")
    return stream.getvalue()


def table(folder: Path, name: str = "train-00000-of-00001.parquet", count: int = COUNT, **columns: list) -> Path:
    """A parquet file as the hub stores images: pairs of bytes and path, without a word about the library."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs gan-cli[huggingface]")
    import pyarrow

    images = [{"bytes": encoded(seed), "path": None} for seed in range(count)]
    defaults = {"image": images, "file": [encoded(seed) for seed in range(count)], "label": [0, 2, 1] * 20}
    words = {"animal": ["dog", "cat", "eel"] * 20, "weight": [0.5] * count}
    content = {**defaults, **words, **columns}
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table({key: values[:count] for key, values in content.items()}), folder / name)
    return folder


def dataset(folder: Path, root: Path, **settings: object) -> HuggingFace:
    return HuggingFace(**{"name": str(folder), "root": str(root), "size": SIZE, **settings})  # type: ignore[arg-type]


def expected(count: int = COUNT, mode: str = "RGB") -> np.ndarray:
    return np.stack([reference(picture(seed, 20, 24), SIZE, mode) for seed in range(count)])


def caches(root: Path) -> list[Path]:
    return sorted(path.parent for path in (root / "huggingface").glob("*/meta.json"))
