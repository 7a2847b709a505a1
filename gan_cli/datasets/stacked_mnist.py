"""Stacked MNIST: images of three digits each, whose thousand modes can be counted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from gan_cli.components.ranges import Range, Seed, check_ranges
from gan_cli.data.memory import require_memory
from gan_cli.datasets.base import ImageDataset
from gan_cli.datasets.mnist import SIDE, Mnist, MnistSplit
from gan_cli.errors import require
from gan_cli.protocols.data import Images

CHANNELS = 3
# Images made at a time: temporary copies stay small beside the result.
BLOCK = 4096


@dataclass(frozen=True)
class StackedMnist(ImageDataset):
    """Three MNIST digits, drawn at random with replacement, as the red, green and blue planes of an image.

    The test of mode collapse by Metz et al. (2017, "Unrolled GANs", section 3.3.1) and Srivastava et al. (2017,
    VEEGAN); 128,000 images are those of PacGAN (Lin et al. 2018, section 4.2), which counts the modes among 26,000
    generated ones. Its modes are about equally likely, as MNIST's digits are.

    Args:
        root: the data root; MNIST is read from it, or downloaded into it.
        mirrors: addresses of folders with MNIST's gzipped files, tried in this order; empty for no downloads.
        split: the digits to stack: MNIST's 60,000 to train on, or its 10,000 to test with.
        count: images to make, 3 x size x size bytes each; 128,000 are 301 MB at 28 pixels, 393 MB at 32.
        size: side of the images in pixels; 28, or 32 for two pixels of black around each digit.
        seed: the same seed stacks the same digits, whatever the run's own seed.
    """

    root: str
    mirrors: tuple[str, ...]
    split: MnistSplit = MnistSplit.train
    count: Annotated[int, Range(1, 10_000_000)] = 128_000
    size: Annotated[int, Range(28, 32)] = 28
    seed: Seed = 0

    licence: ClassVar[str] = Mnist.licence

    def __post_init__(self) -> None:
        Mnist(self.root, self.mirrors, self.split)  # rejects invalid root, mirrors or split
        check_ranges(self)
        require(self.size in (28, 32), "size", self.size, "28 or 32")

    @property
    def shape(self) -> tuple[int, ...]:
        return (CHANNELS, self.size, self.size)

    @property
    def num_bytes(self) -> int:
        """Memory of the images and of their labels."""
        return self.count * (math.prod(self.shape) + 8)

    @property
    def classes(self) -> int:
        return 1000

    def load(self) -> Images:
        """Load pixels ``(count, 3, size, size)``; labels ``100 a + 10 b + c`` for digits a, b, c in red, green, blue.

        Raises:
            DataError: MNIST is present but wrong, or is absent and cannot be downloaded.
        """
        size = self.count * math.prod(self.shape)
        require_memory(size, f"{self.count:,} images of {self.size} pixels", "a smaller dataset.count takes fewer")
        digits = Mnist(self.root, self.mirrors, self.split).load()
        assert digits.labels is not None
        chosen = np.random.default_rng(self.seed).integers(len(digits.array), size=(self.count, CHANNELS))
        pixels = np.zeros((self.count, *self.shape), np.uint8)
        margin = (self.size - SIDE) // 2
        inside = slice(margin, margin + SIDE)
        for start in range(0, self.count, BLOCK):
            block = slice(start, start + BLOCK)
            pixels[block, :, inside, inside] = digits.array[chosen[block], 0]
        return Images(pixels, digits.labels[chosen] @ np.array([100, 10, 1]))
