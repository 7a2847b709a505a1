"""The 8x8 digits that ship with scikit-learn: data that need no download."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np

from gan_cli.datasets.base import ImageDataset
from gan_cli.protocols.data import Images

# A value counts inked pixels in blocks of 4x4.
FULL_INK = 16


@dataclass(frozen=True)
class Digits(ImageDataset):
    """1,797 handwritten digits: the test set of the UCI data "Optical Recognition of Handwritten Digits"."""

    licence: ClassVar[str] = (
        "Optical Recognition of Handwritten Digits (Alpaydin & Kaynak, UCI):"
        " CC BY 4.0, free for any use with attribution."
    )

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, 8, 8)

    @property
    def classes(self) -> int:
        return 10

    def load(self) -> Images:
        """Load pixels ``(1797, 1, 8, 8)`` and labels 0 to 9."""
        # Read the file alone: importing scikit-learn takes as long as importing torch.
        package = find_spec("sklearn")
        assert package is not None
        assert package.origin is not None
        table = np.loadtxt(Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz", delimiter=",")
        pixels = np.round(table[:, :-1] * (255 / FULL_INK)).astype(np.uint8)
        return Images(pixels.reshape(-1, *self.shape), table[:, -1].astype(np.int64))
