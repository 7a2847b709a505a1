"""Common settings of datasets whose images are pictures in files: decoded to one shape, and kept decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from PIL import ImageColor

from gan_cli.components.ranges import Range, check_ranges
from gan_cli.data.image_decoding import MAX_PIXELS, Target
from gan_cli.data.image_fit import Colour, Fit
from gan_cli.datasets.base import ImageDataset
from gan_cli.errors import InvalidValueError, closest, require

# A side in pixels, and a part of a color.
Side: TypeAlias = Annotated[int, Range(4, 1024)]
Byte: TypeAlias = Annotated[int, Range(0, 255)]
CHANNELS = "1 (grey), 3 (RGB) or 4 (RGB and alpha)"


@dataclass(frozen=True, kw_only=True)
class Pictures(ImageDataset):
    """Base of datasets of pictures that are decoded.

    Args:
        size: height and width of the images in pixels, 4 to 1024 each; one number for both.
        channels: 1 for grey, 3 for RGB, 4 for RGB and alpha.
        fit: how a picture of another shape is fitted in: ``crop`` cuts off what is beyond the centre, ``pad`` shows all
            of it on the background, ``stretch`` changes its shape.
        background: color below transparent pixels and around padded pictures: a name, or red, green and blue.
        mirror: double the data by the mirror image of each picture, from right to left; not for texts and other things
            that have a side.
        max_pixels: of a picture as it is stored; larger ones are left out.
        strict: reject the data if an image cannot be decoded.
        workers: threads that decode; None: one per processor, 16 at most.
    """

    size: Side | tuple[Side, Side] = 32
    channels: Annotated[int, Range(1, 4)] = 3
    fit: Fit = Fit.crop
    background: str | tuple[Byte, Byte, Byte] = "white"
    mirror: bool = False
    max_pixels: Annotated[int, Range(1, 2**40)] = MAX_PIXELS
    strict: bool = False
    workers: Annotated[int, Range(1, 256)] | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        require(self.channels in (1, 3, 4), "channels", self.channels, CHANNELS)
        read_colour(self.background)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.target.shape

    @property
    def target(self) -> Target:
        """The format that pictures are decoded to."""
        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        return Target(size, self.channels, self.fit, read_colour(self.background), self.max_pixels)


def read_colour(background: str | tuple[int, int, int]) -> Colour:
    """Return a color by its name, as in CSS (``white``, ``#80ff00``), or by its parts.

    Raises:
        InvalidValueError: there is none of that name; suggests the nearest.
    """
    if not isinstance(background, str):
        return background
    try:
        red, green, blue, *_ = ImageColor.getrgb(background)
    except ValueError as error:
        near = closest(background, ImageColor.colormap) or "white"
        allowed = f"a color: a name such as {near}, #rrggbb, or [red, green, blue] from 0 to 255"
        raise InvalidValueError("background", background, allowed) from error
    return red, green, blue
