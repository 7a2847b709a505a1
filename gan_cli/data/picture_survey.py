"""Facts about pictures from their headers, and the settings that suit most of them."""

from __future__ import annotations

import statistics
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from PIL import Image

from gan_cli.data.image_decoding import FORMATS, TURNED, Encoded, upright_turn
from gan_cli.data.value_range import ValueEnds
from gan_cli.storage.deep_pixels import Depth, depth_of, read_numbers
from gan_cli.storage.reading import open_regular

# Pictures whose headers are looked at, and those among them that are decoded for the range of their values.
MAX_HEADERS, MAX_DECODED = 256, 16
# Longest side of pictures of several sizes, and of those of one size that are taken as they are.
LONGEST_SIDE, LONGEST_OF_ONE_SIZE = 128, 256
MIN_SIDE, MULTIPLE = 8, 8
GREY_MODES = ("1", "L", "I", "F")


@dataclass(frozen=True)
class PictureFacts:
    """Facts that the header of a picture tells.

    Attributes:
        size: height and width in pixels, turned upright.
        grey: whether it has no colors.
        transparent: whether it may be transparent.
        depth: type of its numbers.
    """

    size: tuple[int, int]
    grey: bool
    transparent: bool
    depth: Depth


def survey(pictures: Iterable[Encoded], max_pixels: int) -> list[PictureFacts]:
    """Return the facts about pictures, without those that cannot be read or are too large."""
    return [_facts(image) for image in _opened(pictures) if image.width * image.height <= max_pixels]


def value_ends(pictures: Iterable[Encoded], depth: Depth, max_pixels: int) -> ValueEnds | None:
    """Return the least and the greatest value of a few pictures of a depth; None where none can be decoded."""
    ends = list[ValueEnds]()
    for image in _opened(pictures):
        if image.width * image.height > max_pixels or depth_of(image) is not depth:
            continue
        try:
            numbers = read_numbers(image, depth)[..., :3]
        except Exception:  # Pillow raises nearly anything on damaged files
            continue
        ends.append(ValueEnds(float(numbers.min()), float(numbers.max())))
        if len(ends) == MAX_DECODED:
            break
    return ValueEnds(min(each.low for each in ends), max(each.high for each in ends)) if ends else None


def _opened(pictures: Iterable[Encoded]) -> Iterator[Image.Image]:
    """Open pictures one after the other, each until the next is; leave out what is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for _, data in pictures:
            if isinstance(data, ValueError):
                continue
            try:
                file: BinaryIO = BytesIO(data) if isinstance(data, bytes) else open_regular(data)
            except OSError:
                continue
            with file:
                try:
                    image = Image.open(file, formats=FORMATS)
                except Exception:  # of Pillow's, of nearly any kind, and Image.DecompressionBombError
                    continue
                yield image


def _facts(image: Image.Image) -> PictureFacts:
    depth = depth_of(image)
    # Of a PNG, data that say which side is up may follow the pixels, which are not read here.
    turned = (image.format != "PNG" or "exif" in image.info) and upright_turn(image) in TURNED
    size = (image.width, image.height) if turned else (image.height, image.width)
    grey = image.mode in GREY_MODES or image.mode.startswith("I;16")
    return PictureFacts(size, grey, image.has_transparency_data, depth)


def choose_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the height and width that suit most pictures.

    Those of one size, of up to 256 pixels a side, are taken as they are. Else it is the size of half of them or more,
    or that of the median height and width, reduced to 128 pixels along the longer side, and the other to a multiple
    of 8.
    """
    (commonest, number), *others = Counter(sizes).most_common()
    if not others and max(commonest) <= LONGEST_OF_ONE_SIZE:
        return max(MIN_SIDE, commonest[0]), max(MIN_SIDE, commonest[1])
    if 2 * number < len(sizes):
        heights, widths = zip(*sizes, strict=True)
        commonest = int(statistics.median(heights)), int(statistics.median(widths))
    if max(commonest) <= LONGEST_SIDE:
        return max(MIN_SIDE, commonest[0]), max(MIN_SIDE, commonest[1])
    height, width = (
        max(MIN_SIDE, round(side * LONGEST_SIDE / max(commonest) / MULTIPLE) * MULTIPLE) for side in commonest
    )
    return height, width


def choose_channels(facts: Sequence[PictureFacts]) -> int:
    """Return 4 where any picture may be transparent, 1 where all are grey, else 3."""
    if any(each.transparent for each in facts):
        return 4
    return 1 if all(each.grey for each in facts) else 3


def choose_depth(facts: Sequence[PictureFacts]) -> Depth:
    """Return the depth of at least half of the pictures, bytes where it is that of none."""
    for depth in (Depth.float32, Depth.uint16):
        if 2 * sum(each.depth is depth for each in facts) >= max(1, len(facts)):
            return depth
    return Depth.uint8
