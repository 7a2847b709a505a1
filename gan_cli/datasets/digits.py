"""The 8x8 digits that ship inside scikit-learn: data that need no download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan_cli.datasets.base import ImageDataset
from gan_cli.protocols import Images

# load_digits counts inked pixels in blocks of 4x4.
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
        """``(1, 8, 8)``."""
        return (1, 8, 8)

    @property
    def classes(self) -> int:
        """10."""
        return 10

    def load(self) -> Images:
        """Pixels ``(1797, 1, 8, 8)`` and labels 0 to 9."""
        from sklearn.datasets import load_digits  # slow to import, and not every run needs it

        digits = load_digits()
        pixels = np.round(digits.images * (255 / FULL_INK)).astype(np.uint8)
        return Images(pixels[:, None], digits.target.astype(np.int64))
