"""Decode image files to square arrays of bytes, in threads."""

from __future__ import annotations

import errno
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from gan_cli.data.image_metadata import without_metadata
from gan_cli.protocols.arrays import ByteArray
from gan_cli.storage.reading import read_bytes

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
# Where Pillow warns of a decompression bomb: a small file whose header announces gigabytes.
MAX_PIXELS = 89_478_485
# Twice as long as the files of the largest photographs; each thread that decodes holds one.
MAX_FILE_BYTES = 2**27
# A batch is the unit of work of a thread: large enough to hide the cost of handing it over, small in memory.
BATCH_IMAGES = 256
BATCH_BYTES = 2**23

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


@dataclass(frozen=True)
class Target:
    """Format that every image is converted to: ``size`` x ``size`` pixels, 1 (grey) or 3 (RGB) ``channels``."""

    size: int
    channels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape ``(C, H, W)`` of a decoded image."""
        return (self.channels, self.size, self.size)


class Encoded(NamedTuple):
    """An encoded image, as it is stored.

    Attributes:
        name: its name in messages.
        data: its file, or the bytes of one.
    """

    name: str
    data: Path | bytes


@dataclass(frozen=True)
class Decoded:
    """A batch of images, in the order of their names.

    Attributes:
        total: images that were tried.
        kept: positions within the batch of those that could be decoded.
        pixels: ``(len(kept), C, H, W)``, uint8.
        failures: ``(name, reason)`` of the others.
        unread: positions within the batch of those among the others whose files could not be read, which may pass.
    """

    total: int
    kept: tuple[int, ...]
    pixels: ByteArray
    failures: tuple[tuple[str, str], ...]
    unread: tuple[int, ...] = ()


def decode_all(images: Iterable[Encoded], target: Target, workers: int) -> Generator[Decoded, None, None]:
    """Decode in threads; yield batches in order, reading ``images`` only a few batches ahead.

    Threads, as Pillow decodes and resizes without the interpreter's lock: they are as fast as processes, start at
    once and need no copies.
    """
    Image.init()  # loads all formats, which is not meant to happen in several threads at once
    length = max(1, min(BATCH_IMAGES, BATCH_BYTES // int(np.prod(target.shape))))
    with warnings.catch_warnings(), ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        # decode() rejects such images itself, by name.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", module=r"PIL\.")  # of metadata, most of which is not needed
        jobs = (pool.submit(_decode_batch, batch, target) for batch in _batches(images, length))
        try:
            yield from _in_order(jobs, ahead=2 * workers)
        finally:
            pool.shutdown(cancel_futures=True)


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
    pixels = np.empty((len(images), *target.shape), np.uint8)
    kept, unread, failures = list[int](), list[int](), list[tuple[str, str]]()
    for position, (name, data) in enumerate(images):
        try:
            content = data if isinstance(data, bytes) else read_image_file(data)
            pixels[len(kept)] = decode(content, target)
        except UnreadImageError as error:
            unread.append(position)
            failures.append((name, str(error)))
        except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
            failures.append((name, _reason(error)))
        else:
            kept.append(position)
    return Decoded(len(images), tuple(kept), pixels[: len(kept)], tuple(failures), tuple(unread))


class UnreadImageError(Exception):
    """An image of which nothing is known but that its file could not be read now; the message says why."""


def read_image_file(path: Path) -> bytes:
    """Read the file of an image.

    Raises:
        UnreadImageError: it cannot be read, for want of permission for example; another time it might.
        ValueError: it is too long for an image, which another time it would be, too.
    """
    try:
        return read_bytes(path, MAX_FILE_BYTES)
    except OSError as error:
        reason = error.strerror or str(error)
        raise (ValueError if error.errno == errno.EFBIG else UnreadImageError)(reason) from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def decode(content: bytes, target: Target) -> ByteArray:
    """Decode one image: turn it upright, crop it to its central square, and resize it with Lanczos' filter.

    Transparent images are laid on white, 16-bit ones rounded to 8 bits; of an animation, the first frame is used.
    Metadata that are broken are left aside.

    Returns:
        ``(C, H, W)``, uint8.

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


def _decode(content: bytes, target: Target) -> ByteArray:
    with Image.open(BytesIO(content), formats=FORMATS) as opened:
        width, height = opened.size
        if width * height > MAX_PIXELS:
            raise TooManyPixelsError(f"{width}x{height} pixels, more than {MAX_PIXELS}")
        method = _upright(opened)
        image = _in_mode(opened, "L" if target.channels == 1 else "RGB")
    square = _central_square(image if method is None else image.transpose(method))
    resized = np.asarray(square.resize((target.size, target.size), Image.Resampling.LANCZOS))
    return resized[None] if target.channels == 1 else resized.transpose(2, 0, 1)


def _upright(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that turns an image upright; None where its EXIF data say none, or are broken."""
    try:
        return UPRIGHT.get(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # Pillow raises nearly anything on broken metadata
        return None


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would cut off at 255
        values = np.asarray(image).astype(np.int32).clip(0, 65535)
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    elif image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(opaque, image.convert("RGBA"))
    return image.convert(mode)


def _central_square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))
