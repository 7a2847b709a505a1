"""Common settings of datasets whose images are pictures in files: decoded to one shape, and kept decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, TypeAlias

import numpy as np
from PIL import ImageColor

from gan_cli.components.ranges import Range, check_ranges
from gan_cli.config.fields import Auto
from gan_cli.data.image_decoding import MAX_PIXELS, Encoded, Target
from gan_cli.data.image_fit import Colour, Fit
from gan_cli.data.normalization import Normalization
from gan_cli.data.picture_survey import choose_channels, choose_depth, choose_size, survey, value_ends
from gan_cli.data.value_range import automatic_range
from gan_cli.datasets.base import BYTE_BITS, DEEP_BITS, ImageDataset, Level, check_levels
from gan_cli.errors import DataError, InvalidValueError, closest, require
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import BYTE_LEVELS, AutomaticSetting, Images
from gan_cli.storage.deep_pixels import Depth

# A side in pixels, and a part of a color.
Side: TypeAlias = Annotated[int, Range(4, 1024)]
Byte: TypeAlias = Annotated[int, Range(0, 255)]
CHANNELS = "1 (grey), 3 (RGB) or 4 (RGB and alpha)"


@dataclass(frozen=True, kw_only=True)
class Pictures(ImageDataset):
    """Base of datasets of pictures that are decoded.

    Args:
        size: height and width of the images in pixels, 4 to 1024 each; one number for both; ``auto`` is that of the
            pictures, reduced to 128 along the longer side unless all are of one size of up to 256.
        channels: 1 for grey, 3 for RGB, 4 for RGB and alpha; ``auto`` is 4 where any may be transparent, 1 where all
            are grey, else 3.
        depth: type that pixels are kept in: ``uint8``, ``uint16`` or ``float32``; ``auto`` is that of most pictures.
        range: values that are -1 and 1 for networks; ``auto`` is [0, 255] for a depth of 8 bits, else chosen by a
            sample of the pictures: [0, 4095] where they have 12 bits.
        fit: how a picture of another shape is fitted in: ``crop`` cuts off what is beyond the centre, ``pad`` shows all
            of it on the background, ``stretch`` changes its shape.
        background: color below transparent pixels and around padded pictures: a name, or red, green and blue.
        mirror: double the data by the mirror image of each picture, from right to left; not for texts and other things
            that have a side.
        max_pixels: of a picture as it is stored; larger ones are left out.
        strict: reject the data if an image cannot be decoded.
        workers: threads that decode; None: one per processor, 16 at most.
    """

    size: Auto | Side | tuple[Side, Side] = 32
    channels: Auto | Annotated[int, Range(1, 4)] = 3
    depth: Depth = Depth.uint8
    range: Auto | tuple[Level, Level] = Auto.auto
    fit: Fit = Fit.crop
    background: str | tuple[Byte, Byte, Byte] = "white"
    mirror: bool = False
    max_pixels: Annotated[int, Range(1, 2**40)] = MAX_PIXELS
    strict: bool = False
    workers: Annotated[int, Range(1, 256)] | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        require(self.channels in (1, 3, 4, Auto.auto), "channels", self.channels, CHANNELS)
        read_colour(self.background)
        if not isinstance(self.range, Auto):
            check_levels(self.range)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(C, H, W)``; raises ``DataError`` where the pictures decide and cannot be read."""
        chosen = self.settled if Auto.auto in (self.size, self.channels) else self
        assert not isinstance(chosen.size, Auto)
        assert not isinstance(chosen.channels, Auto)
        size = (chosen.size, chosen.size) if isinstance(chosen.size, int) else chosen.size
        return (chosen.channels, *size)

    @property
    def target(self) -> Target:
        """The format that pictures are decoded to; raises ``DataError`` where they decide and cannot be read."""
        chosen = self.settled
        channels, height, width = chosen.shape
        deep = chosen.depth is not Depth.uint8
        return Target(
            (height, width),
            channels,
            self.fit,
            read_colour(self.background),
            self.max_pixels,
            chosen.depth,
            chosen.levels if deep else BYTE_LEVELS,
        )

    @property
    def levels(self) -> tuple[float, float]:
        """Values that are -1 and 1 for networks; raises ``DataError`` where the pictures decide and cannot be read."""
        if not isinstance(self.range, Auto):
            return self.range
        if self.depth is Depth.uint8:
            return BYTE_LEVELS
        range_of_pictures = self.settled.range
        assert not isinstance(range_of_pictures, Auto)
        return range_of_pictures

    @property
    def settled(self) -> Pictures:
        """The same dataset with values for its settings that are ``auto``; raises ``DataError``."""
        return _with_values(self, self._found) if self._found else self

    def automatic_settings(self) -> Mapping[str, AutomaticSetting]:
        """Return size, channels, depth and range where they are ``auto``; see ``SelfSettling``."""
        return self._found

    def coordinates(self, samples: FloatArray) -> FloatArray:
        """Return images ``(N, C, H, W)``: of 8 bits in [-1, 1], unchanged; of more bits in the units of the data."""
        if self.pixel_bits == BYTE_BITS:
            return samples
        values: FloatArray = Normalization(self.levels).inverse(samples.astype(np.float64)).astype(np.float32)
        return values

    @property
    def pixel_bits(self) -> int:
        depth = self.settled.depth if self.depth is Depth.auto else self.depth
        return BYTE_BITS if depth is Depth.uint8 else DEEP_BITS

    def sample_pictures(self) -> Iterable[Encoded]:
        """Return some of the pictures, the same each time, whose headers say what suits; raises ``DataError``."""
        return ()

    def as_data(self, images: Images) -> Images:
        """Return images as they were decoded with what the settings say of them."""
        return replace(images, mirrored=self.mirror, levels=self.levels)

    @cached_property
    def _found(self) -> Mapping[str, AutomaticSetting]:
        found = dict[str, AutomaticSetting]()
        if not self._looks_at_pictures():
            return {"range": AutomaticSetting(list(BYTE_LEVELS))} if isinstance(self.range, Auto) else found
        facts = survey(self.sample_pictures(), self.max_pixels)
        if not facts:
            raise DataError("dataset: no picture tells what suits: dataset.size, channels, depth and range say it")
        reason = f"{len(facts)} of the pictures"
        if isinstance(self.size, Auto):
            height, width = choose_size([each.size for each in facts])
            found["size"] = AutomaticSetting(height if height == width else [height, width], reason)
        if isinstance(self.channels, Auto):
            found["channels"] = AutomaticSetting(choose_channels(facts), reason)
        depth = choose_depth(facts) if self.depth is Depth.auto else self.depth
        if self.depth is Depth.auto:
            found["depth"] = AutomaticSetting(depth.name, "" if depth is Depth.uint8 else reason)
        if isinstance(self.range, Auto):
            found["range"] = self._range_of(depth)
        return found

    def _looks_at_pictures(self) -> bool:
        is_deep = self.depth is not Depth.uint8
        decides = Auto.auto in (self.size, self.channels) or self.depth is Depth.auto
        return decides or (is_deep and isinstance(self.range, Auto))

    def _range_of(self, depth: Depth) -> AutomaticSetting:
        ends = None if depth is Depth.uint8 else value_ends(self.sample_pictures(), depth, self.max_pixels)
        if ends is None:
            usual = {Depth.uint8: BYTE_LEVELS, Depth.uint16: (0.0, 65535.0), Depth.float32: (0.0, 1.0)}
            return AutomaticSetting(list(usual[depth]))
        levels = automatic_range(np.dtype(depth.name), ends)
        return AutomaticSetting(list(levels), f"{depth.name} from {ends.low:g} to {ends.high:g} in some pictures")


def _with_values(pictures: Pictures, settings: Mapping[str, AutomaticSetting]) -> Pictures:
    """Return a dataset with other values, which stand as in a configuration."""
    values: dict[str, Any] = {}
    for key, setting in settings.items():
        values[key] = tuple(setting.value) if isinstance(setting.value, list) else setting.value
    if "depth" in settings:
        values["depth"] = Depth[str(settings["depth"].value)]
    return replace(pictures, **values)


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
