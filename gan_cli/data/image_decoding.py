"""Decode image files to arrays of bytes of one shape, in threads."""

from __future__ import annotations

import contextlib
import errno
import math
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from gan_cli.data.deep_pictures import Placement, place_numbers
from gan_cli.data.image_fit import Colour, Fit, fit_picture, reduction
from gan_cli.data.image_metadata import without_metadata
from gan_cli.protocols.arrays import StoredArray
from gan_cli.protocols.data import BYTE_LEVELS
from gan_cli.storage.deep_pixels import Depth, read_numbers
from gan_cli.storage.reading import read_bytes

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
# Where Pillow warns of a decompression bomb: a small file whose header announces gigabytes.
MAX_PIXELS = 89_478_485
# Twice as long as the files of the largest photographs, or as three bytes a pixel where more pixels are allowed; each
# thread that decodes holds one.
MAX_FILE_BYTES = 2**27
BYTES_PER_PIXEL = 3
# A batch is the unit of work of a thread: large enough to hide the cost of handing it over, small in memory.
BATCH_IMAGES = 256
BATCH_BYTES = 2**23

# A reduced JPEG is a mean over whole blocks; Lanczos' filter, which comes after it, hides that from twice the size on.
OVERSAMPLING = 2
# Channels -> Pillow's mode.
MODES = {1: "L", 3: "RGB", 4: "RGBA"}

ORIENTATION_TAG = 0x0112
# EXIF orientation -> the transposition that turns the stored image upright; any other value: it is upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Those that exchange height and width.
TURNED = (UPRIGHT[5], UPRIGHT[6], UPRIGHT[7], UPRIGHT[8])


@dataclass(frozen=True)
class Target:
    """Format that every image is converted to, and the limit beyond which none is.

    Attributes:
        size: height and width in pixels.
        channels: 1 (grey), 3 (RGB) or 4 (RGB and alpha).
        fit: way in which a picture of another shape is fitted into ``size``.
        background: color of the padding, and below what is transparent.
        max_pixels: of the picture as it is stored; what announces more is not decoded.
        depth: type of the numbers.
        levels: black and white of the background, where pictures have more than 8 bits.
    """

    size: tuple[int, int]
    channels: int
    fit: Fit = Fit.crop
    background: Colour = (255, 255, 255)
    max_pixels: int = MAX_PIXELS
    depth: Depth = Depth.uint8
    levels: tuple[float, float] = BYTE_LEVELS

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers of a decoded image."""
        return np.dtype(self.depth.name)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape ``(C, H, W)`` of a decoded image."""
        return (self.channels, *self.size)

    @property
    def identity(self) -> dict[str, object]:
        """All that the pixels depend on, and which images there are, as plain values."""
        values = {**asdict(self), "fit": self.fit.name, "depth": self.depth.name}
        deep = {"depth", "levels"} if self.depth is Depth.uint8 else set[str]()
        return {key: value for key, value in values.items() if key not in deep}

    @property
    def max_file_bytes(self) -> int:
        """Length of the longest file that is read."""
        return max_file_bytes(self.max_pixels)


def max_file_bytes(max_pixels: int) -> int:
    """Return the length of the longest file that is read of images with so many pixels at most."""
    return max(MAX_FILE_BYTES, BYTES_PER_PIXEL * max_pixels)


class Encoded(NamedTuple):
    """An encoded image, as it is stored.

    Attributes:
        name: its name in messages.
        data: its file, the bytes of one, or why there are none.
    """

    name: str
    data: Path | bytes | ValueError


@dataclass(frozen=True)
class Decoded:
    """A batch of images, in the order of their names.

    Attributes:
        total: images that were tried.
        kept: positions within the batch of those that could be decoded.
        pixels: ``(len(kept), C, H, W)``, in the type of the target.
        failures: ``(name, reason)`` of the others.
        unread: positions within the batch of those among the others whose files could not be read, which may pass.
    """

    total: int
    kept: tuple[int, ...]
    pixels: npt.NDArray[Any]
    failures: tuple[tuple[str, str], ...]
    unread: tuple[int, ...] = ()


def decode_all(images: Iterable[Encoded], target: Target, workers: int) -> Generator[Decoded, None, None]:
    """Decode in threads; yield batches in order, reading ``images`` only a few batches ahead.

    Threads, as Pillow decodes and resizes without the interpreter's lock: they are as fast as processes, start at
    once and need no copies.
    """
    Image.init()  # loads all formats, which is not meant to happen in several threads at once
    length = max(1, min(BATCH_IMAGES, BATCH_BYTES // (int(np.prod(target.shape)) * target.dtype.itemsize)))
    with (
        warnings.catch_warnings(),
        _no_limit_of_pillows(),
        ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool,
    ):
        # decode() rejects such images itself, by name.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", module=r"PIL\.")  # of metadata, most of which is not needed
        jobs = (pool.submit(_decode_batch, batch, target) for batch in _batches(images, length))
        try:
            yield from _in_order(jobs, ahead=2 * workers)
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _no_limit_of_pillows() -> Iterator[None]:
    """Let Pillow open any picture: :func:`decode` compares its size with the target's limit before it is read."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _batches(images: Iterable[Encoded], length: int) -> Iterator[list[Encoded]]:
    """Yield ``length`` images at a time; fewer where their bytes would exceed the memory meant for a batch."""
    batch, size = list[Encoded](), 0
    for image in images:
        batch.append(image)
        size += len(image.data) if isinstance(image.data, bytes) else 0
        if len(batch) == length or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _in_order(jobs: Iterable[Future[Decoded]], ahead: int) -> Iterator[Decoded]:
    """Yield results in the order of submission, with ``ahead`` jobs submitted before their result is asked for."""
    jobs = iter(jobs)
    running = deque(islice(jobs, ahead))
    while running:
        yield running.popleft().result()
        running.extend(islice(jobs, 1))


def _decode_batch(images: Sequence[Encoded], target: Target) -> Decoded:
    pixels = np.empty((len(images), *target.shape), target.dtype)
    kept, unread, failures = list[int](), list[int](), list[tuple[str, str]]()
    for position, (name, data) in enumerate(images):
        try:
            pixels[len(kept)] = decode(_content(data, target.max_file_bytes), target)
        except UnreadImageError as error:
            unread.append(position)
            failures.append((name, str(error)))
        except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
            failures.append((name, _reason(error)))
        else:
            kept.append(position)
    return Decoded(len(images), tuple(kept), pixels[: len(kept)], tuple(failures), tuple(unread))


def _content(data: Path | bytes | ValueError, limit: int) -> bytes:
    if isinstance(data, ValueError):
        raise data
    return data if isinstance(data, bytes) else read_image_file(data, limit)


class UnreadImageError(Exception):
    """An image of which nothing is known but that its file could not be read now; the message says why."""


def read_image_file(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """Read the file of an image of at most ``limit`` bytes.

    Raises:
        UnreadImageError: it cannot be read, for want of permission for example; another time it might.
        ValueError: it is too long for an image, which another time it would be, too.
    """
    try:
        return read_bytes(path, limit)
    except OSError as error:
        reason = error.strerror or str(error)
        raise (ValueError if error.errno == errno.EFBIG else UnreadImageError)(reason) from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def decode(content: bytes, target: Target) -> StoredArray:
    """Decode one image: turn it upright, fit it into the target's shape, and resize it with Lanczos' filter.

    Transparent images are laid on the background unless alpha is a channel, 16-bit ones rounded to 8 bits unless the
    target has more; of an animation, the first frame is used. A large JPEG is decoded at a half, a quarter or an eighth
    of its size where that leaves :data:`OVERSAMPLING` times the pixels along each axis. Metadata that are broken are
    left aside.

    Returns:
        ``(C, H, W)``, in the type of the target.

    Raises:
        UnreadImageError: there is not enough memory for it now.
        Exception: of nearly any kind, if it is no such image, is damaged, or announces too many pixels.
    """
    try:
        return _decode(content, target)
    except MemoryError as error:
        raise UnreadImageError("not enough memory") from error
    except TooManyPixelsError:
        raise
    except Exception as error:
        bare = without_metadata(content)
        if bare == content:
            raise
        try:
            return _decode(bare, target)
        except Exception:
            raise error from None  # the reason to report is that of the file as it is


class TooManyPixelsError(ValueError):
    """An image that announces more pixels than are decoded."""


def _decode(content: bytes, target: Target) -> StoredArray:
    with Image.open(BytesIO(content), formats=FORMATS) as opened:
        width, height = opened.size
        if width * height > target.max_pixels:
            raise TooManyPixelsError(
                f"{width}x{height} pixels, more than {target.max_pixels}; dataset.max_pixels allows more"
            )
        if target.depth is not Depth.uint8:
            numbers = read_numbers(opened, target.depth)  # first: to look which side is up may decode a picture
            placement = Placement(target.size, target.channels, target.fit, target.background, upright_turn(opened))
            return place_numbers(numbers, placement, target.depth, target.levels)
        method = upright_turn(opened)
        _reduce(opened, target, turned=method in TURNED)
        image = _in_mode(opened, MODES[target.channels], target.background)
        if opened.format == "TIFF":  # which Pillow has turned itself by now
            method = upright_turn(opened)
    fitted = fit_picture(
        image if method is None else image.transpose(method), target.size, target.fit, target.background
    )
    pixels = np.asarray(fitted)
    return pixels[None] if target.channels == 1 else pixels.transpose(2, 0, 1)


def _reduce(image: Image.Image, target: Target, turned: bool) -> None:
    """Let a JPEG that is not decoded yet be decoded at a fraction of its size, where that is large enough."""
    size = target.size[::-1] if turned else target.size
    factor = OVERSAMPLING * reduction((image.height, image.width), size, target.fit)
    if factor <= 0.5:
        image.draft(image.mode, (math.ceil(factor * image.width), math.ceil(factor * image.height)))


def upright_turn(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that turns an image upright; None where its EXIF data say none, or are broken."""
    try:
        return UPRIGHT.get(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # Pillow raises nearly anything on broken metadata
        return None


def _in_mode(image: Image.Image, mode: str, background: Colour) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would cut off at 255
        values = np.asarray(image).astype(np.int32).clip(0, 65535)
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    elif image.has_transparency_data and mode != "RGBA":
        opaque = Image.new("RGBA", image.size, background)
        image = Image.alpha_composite(opaque, image.convert("RGBA"))
    return image.convert(mode)
