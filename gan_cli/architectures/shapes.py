"""Which image sizes a network of halvings fits."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.errors import ConfigError

LARGEST = 128
# The smallest feature map, in pixels; each size has exactly one that it halves down to.
BASES = (4, 5, 6, 7)
SIZES = sorted(base << levels for base in BASES for levels in range(1, 6) if base << levels <= LARGEST)


@dataclass(frozen=True)
class Pyramid:
    """A square image and what it halves down to.

    Attributes:
        channels: of the image.
        base: side of the smallest feature map, 4 to 7 pixels.
        levels: halvings from the image to there.
    """

    channels: int
    base: int
    levels: int


def pyramid(name: str, shape: tuple[int, ...]) -> Pyramid:
    """The halvings of an image of this shape.

    Args:
        name: the architecture, for the message.
        shape: of one sample.

    Raises:
        ConfigError: the samples are no images, not square, or of a size that does not halve down to a base.
    """
    if len(shape) != 3:
        raise ConfigError(
            f"architecture: {name} builds images, but a sample of this dataset has shape {shape}."
            " Use architecture=mlp or mlp_small"
        )
    channels, height, width = shape
    if height != width or height not in SIZES:
        sizes = ", ".join(map(str, SIZES))
        raise ConfigError(f"architecture: {name} builds square images of size {sizes}; got {height}x{width}")
    levels = next(levels for levels in range(1, 6) if height >> levels in BASES)
    return Pyramid(channels, height >> levels, levels)
