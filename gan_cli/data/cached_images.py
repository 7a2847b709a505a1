"""Files of a cache of decoded images, read back: whatever is not whole and of the right kind is damage.

A cache lies below the data root, where anybody may have changed it. No file is waited for, none is read beyond the
length that its images need, and nothing is unpickled.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

import numpy as np

from gan_cli.data.array_files import ArrayFileError, read_header, read_npy
from gan_cli.data.image_decoding import Target
from gan_cli.protocols.arrays import IntArray
from gan_cli.protocols.data import Images
from gan_cli.storage.reading import open_regular, read_bytes

PIXELS, LABELS, UNREAD, META = "pixels.npy", "labels.npy", "unread.npy", "meta.json"
# Names of a million classes.
MAX_META_BYTES = 2**26
# Failures of opening a file that is not what was stored; others, such as missing rights, may pass.
DAMAGE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EFBIG, errno.ELOOP, errno.ENXIO)


@dataclass(frozen=True)
class CachedImages:
    """Decoded images of a cache, and those that are not in it.

    Attributes:
        images: pixels in a read-only memory map, labels in memory.
        skipped: images that could not be read or decoded.
        failures: ``(name, reason)`` of the first few of them.
        unread: ascending positions, among all images of the source, of those that could not be read; None in a cache of
            an earlier version, which did not tell them from those that could not be decoded.
    """

    images: Images
    skipped: int
    failures: tuple[tuple[str, str], ...]
    unread: IntArray | None


class DamagedCacheError(Exception):
    """The files of a cache are not whole, or do not match each other; the message says how."""


def read_cache(place: Path, key: str, target: Target) -> CachedImages:
    """Read the cache in a folder.

    Args:
        place: its folder.
        key: key that it must have.
        target: format that its images must have.

    Raises:
        DamagedCacheError: a file is missing, is none, or has other contents than are stored there.
        OSError: a file cannot be read.
    """
    try:
        meta = _read_meta(place / META, key)
        pixels = _map_pixels(place / PIXELS, target)
        count = len(pixels)
        classes = meta.classes or ()
        labels = None if meta.classes is None else _read_integers(place / LABELS, count, len(classes))
        unread = None if meta.unread is None else _read_integers(place / UNREAD, meta.unread, count + meta.skipped)
    except ArrayFileError as error:
        raise DamagedCacheError(str(error)) from error
    except OSError as error:
        if error.errno in DAMAGE:
            raise DamagedCacheError(f"{Path(str(error.filename)).name}: {error.strerror}") from error
        raise
    if count != meta.count:
        raise DamagedCacheError(f"{META} tells of {meta.count} images, {PIXELS} holds {count}")
    return CachedImages(Images(pixels, labels, class_names=classes), meta.skipped, meta.failures, unread)


@dataclass(frozen=True)
class _Meta:
    """Contents of ``meta.json`` that the other files are checked against."""

    count: int
    classes: tuple[str, ...] | None
    skipped: int
    failures: tuple[tuple[str, str], ...]
    unread: int | None


def _read_meta(path: Path, key: str) -> _Meta:
    content = read_bytes(path, MAX_META_BYTES)
    try:
        meta = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedCacheError(f"{META}: {error or type(error).__name__}") from error
    if not isinstance(meta, Mapping) or meta.get("key") != key:
        _reject("key", meta.get("key") if isinstance(meta, Mapping) else meta)
    shape, classes, failures = meta.get("shape"), meta.get("classes"), meta.get("failures")
    if not (isinstance(shape, list) and shape and _is_count(shape[0])):
        _reject("shape", shape)
    if classes is not None and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        _reject("classes", classes)
    if not (isinstance(failures, list) and all(map(_is_failure, failures))):
        _reject("failures", failures)
    skipped, unread = meta.get("skipped"), meta.get("unread", 0 if meta.get("skipped") == 0 else None)
    if not _is_count(skipped) or not (unread is None or (_is_count(unread) and unread <= skipped)):
        _reject("skipped", skipped)
    named = None if classes is None else tuple(classes)
    return _Meta(shape[0], named, skipped, tuple((name, reason) for name, reason in failures), unread)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_failure(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value)


def _reject(name: str, value: Any) -> NoReturn:
    raise DamagedCacheError(f"{META}: {name} is {str(value)[:80]!r}")


def _map_pixels(path: Path, target: Target) -> np.memmap[Any, Any]:
    """Map pixels into memory: of the shape ``(N, *target.shape)``, one or more, and no byte beside them."""
    with open_regular(path) as file:
        header = read_header(file)
        shape, start = header.shape, file.tell()
        if shape[1:] != target.shape or len(shape) != 4 or shape[0] < 1 or header.column_major:
            raise DamagedCacheError(f"{PIXELS} has the shape {shape}, not (N, {', '.join(map(str, target.shape))})")
        if header.dtype != target.dtype:
            raise DamagedCacheError(f"{PIXELS} is an array of {header.dtype}, not of {target.dtype}")
        header.check_size(os.fstat(file.fileno()).st_size - start)
        return np.memmap(file, target.dtype, "r", start, shape)


def _read_integers(path: Path, count: int, end: int) -> IntArray:
    """Read ``count`` integers from 0 to ``end - 1``."""
    if count == 0:
        return np.empty(0, np.int64)
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        header = read_header(file)
        if header.shape != (count,) or header.dtype != np.int64:
            raise DamagedCacheError(f"{path.name} is {header.dtype} of shape {header.shape}, not int64 of ({count},)")
        file.seek(0)
        numbers = read_npy(file, size)
    if numbers.min() < 0 or numbers.max() >= end:
        raise DamagedCacheError(
            f"{path.name} has numbers from {numbers.min()} to {numbers.max()}, not from 0 to {end - 1}"
        )
    return numbers
