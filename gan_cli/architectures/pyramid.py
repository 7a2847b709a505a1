"""Heights and widths of the feature maps of convolutional networks, and convolutions from one to the next.

An axis of the image is halved until 4 to 7 pixels are left, an odd length rounded up; the longer axis of an oblong
image goes on alone. So every height and width fits, and where a length halves without remainder, as in the papers, the
layers are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from torch import nn

from gan_cli.errors import ConfigError

MIN_SIDE, MAX_SIDE = 8, 512
# Longest side of the smallest feature map in pixels.
MAX_BASE = 7


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


@dataclass(frozen=True)
class Pyramid:
    """Feature map sizes of a convolutional network.

    Attributes:
        channels: of the image.
        sizes: of the image first, then of each smaller feature map; each is the one before it, halved and rounded up,
            along one axis or both.
    """

    channels: int
    sizes: tuple[Size, ...]

    @property
    def base(self) -> Size:
        """The smallest feature map: 4 to 7 pixels along either axis."""
        return self.sizes[-1]

    @property
    def levels(self) -> int:
        """Number of halvings from the image to the base."""
        return len(self.sizes) - 1

    @property
    def halvings(self) -> list[tuple[Size, Size]]:
        """Sizes before and after each halving, from the image on."""
        return list(pairwise(self.sizes))

    @property
    def doublings(self) -> list[tuple[Size, Size]]:
        """Sizes before and after each doubling, from the base on."""
        return [(after, before) for before, after in reversed(self.halvings)]

    def widths(self, width: int, doublings: int) -> list[int]:
        """Return channels of the feature map after each halving: doubled by each but the first, a few times at most.

        Args:
            width: of the first.
            doublings: at most, which bounds the networks of large images.
        """
        return [width << min(level, doublings) for level in range(self.levels)]


def pyramid(name: str, shape: tuple[int, ...]) -> Pyramid:
    """Compute the feature map sizes for images of this shape.

    Args:
        name: of the architecture, for the message.
        shape: of one sample.

    Raises:
        ConfigError: the samples are not images, or a side is shorter or longer than is built.
    """
    channels, size = image_size(name, shape)
    sizes = [size]
    while max(sizes[-1]) > MAX_BASE:
        sizes.append(Size(*(length if length <= MAX_BASE else -(-length // 2) for length in sizes[-1])))
    return Pyramid(channels, tuple(sizes))


def image_size(name: str, shape: tuple[int, ...], minimum: int = MIN_SIDE) -> tuple[int, Size]:
    """Return channels and size of samples that are images with sides that an architecture builds.

    Raises:
        ConfigError: they are not images, or a side is not between ``minimum`` and 512 pixels.
    """
    if len(shape) != 3:
        raise ConfigError(
            f"architecture: {name} builds images, but a sample of this dataset has shape {shape}."
            " Use architecture=mlp or mlp_small"
        )
    channels, height, width = shape
    near = [min(max(side, minimum), MAX_SIDE) for side in (height, width)]
    if near != [height, width]:
        raise ConfigError(
            f"architecture: {name} builds images with sides of {minimum} to {MAX_SIDE} pixels; got {height}x{width}."
            f" The nearest is {near[0]}x{near[1]}: dataset.size={near[0] if near[0] == near[1] else near}"
        )
    return channels, Size(height, width)


class _Kernel(NamedTuple):
    """Kernel size and stride along one axis; the padding is 1."""

    size: int
    stride: int


def _kernel(before: int, after: int) -> _Kernel:
    """Return the kernel that leads from a length to its half, to the half rounded up, or to the same."""
    if before == after:
        return _Kernel(3, 1)
    return _Kernel(4 if before == 2 * after else 3, 2)


def strided_conv(channels: int, out_channels: int, before: Size, after: Size, bias: bool) -> nn.Conv2d:
    """Build the convolution from one size to the next smaller: 4x4 with stride 2 where both axes halve exactly."""
    kernels = [_kernel(large, small) for large, small in zip(before, after, strict=True)]
    size, stride = zip(*kernels, strict=True)
    return nn.Conv2d(channels, out_channels, size, stride, 1, bias=bias)


def transposed_conv(channels: int, out_channels: int, before: Size, after: Size, bias: bool) -> nn.ConvTranspose2d:
    """Build the transposed convolution from one size to the next larger: 4x4 with stride 2 where both axes double."""
    kernels = [_kernel(large, small) for small, large in zip(before, after, strict=True)]
    size, stride = zip(*kernels, strict=True)
    return nn.ConvTranspose2d(channels, out_channels, size, stride, 1, bias=bias)
