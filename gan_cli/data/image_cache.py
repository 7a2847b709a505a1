"""Decoded images on disk: one folder ``<store>/<key>`` with ``pixels.npy``, ``labels.npy`` and ``meta.json``.

Where images could not be read, ``unread.npy`` lists them: the next run tries them again.

A cache is built in a temporary folder beside its own and renamed when it is complete, so that it is never seen
half-built: several processes may build the same one, the first to finish wins, and the others use its result.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import os
import shutil
import time
import uuid
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from gan_cli.data.cached_images import (
    LABELS,
    META,
    PIXELS,
    UNREAD,
    CachedImages,
    DamagedCacheError,
    read_cache,
)
from gan_cli.data.image_decoding import Decoded, Target
from gan_cli.errors import DataError
from gan_cli.protocols.arrays import IntArray
from gan_cli.storage.files import LEFTOVER_SECONDS, fsync

logger = logging.getLogger(__name__)

# Part of every key: raise it when decoding or the files below change.
FORMAT = 2
UNFINISHED = ".unfinished-"
MAX_FAILURES = 3


@dataclass(frozen=True)
class Labels:
    """Class labels of the images that were kept.

    Attributes:
        classes: a name for each label.
        numbers: ``(N,)``, the label of each image that was kept.
    """

    classes: tuple[str, ...]
    numbers: IntArray


# Maps the positions, among all images that were tried, of those that were kept to their labels; None: no labels.
LabelFunction = Callable[[Sequence[int]], Labels | None]


def cache_key(target: Target, identities: Iterable[bytes]) -> str:
    """Return 64 hexadecimal digits that depend on the target format and on the identities of the source's items."""
    digest = hashlib.sha256(json.dumps({"format": FORMAT, **target.identity}).encode())
    for identity in identities:
        digest.update(identity)
    return digest.hexdigest()


def open_cache(store: Path, key: str, target: Target) -> CachedImages | None:
    """Open the finished cache of that key; None if there is none. A damaged one is removed, with a warning.

    Raises:
        DataError: the cache cannot be read, or a damaged one cannot be removed.
    """
    place = store / key
    try:
        return read_cache(place, key, target) if os.path.lexists(place) else None
    except DamagedCacheError as error:
        logger.warning("%s: the cache of decoded images is damaged (%s), it is built again", place, error)
    except OSError as error:
        raise DataError(f"{place}: cannot be read ({error.strerror or error})") from error
    remove_cache(store, key)
    return None


def remove_cache(store: Path, key: str) -> None:
    """Remove the cache of that key, or whatever has its name; raises ``DataError``."""
    with _wrap_write_errors(store):
        # Renamed first, in one step: another process must not see it half removed.
        aside = store / f"{UNFINISHED}{uuid.uuid4().hex}"
        with contextlib.suppress(FileNotFoundError):  # another process was first
            (store / key).rename(aside)
        _remove(aside)


def _remove(path: Path) -> None:
    """Remove a folder, or else a file or link of that name, as far as that is possible."""
    with contextlib.suppress(OSError):
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def build_cache(
    store: Path,
    key: str,
    target: Target,
    batches: Iterable[Decoded],
    make_labels: LabelFunction,
    count: int | None = None,
) -> None:
    """Write the cache of ``key``; memory holds one batch, and eight bytes for each image.

    Args:
        store: folder of the caches; made if there is none.
        key: name of the cache.
        target: format of the images.
        batches: the decoded images.
        make_labels: called with the positions of those that were kept.
        count: number of images that are expected, for whose pixels there must be room; None: unknown.

    Raises:
        DataError: the store cannot be written, or has no room. Errors of ``batches`` propagate; either way no temporary
            file is left.
    """
    staging = store / f"{UNFINISHED}{uuid.uuid4().hex}"
    try:
        with _wrap_write_errors(store):
            staging.mkdir(parents=True)
            _remove_leftovers(store)
            _require_room(store, (count or 0) * math.prod(target.shape) * target.dtype.itemsize)
            _write(staging, key, target, batches, make_labels)
            with contextlib.suppress(FileExistsError):
                _install(staging, store / key)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _require_room(store: Path, size: int) -> None:
    free = shutil.disk_usage(store).free
    if size > free:
        raise DataError(
            f"{store}: the decoded images take {size:,} bytes, and {free:,} are free there; a smaller dataset.size"
            " takes fewer, and dataset.root=DIR or the environment variable GAN_DATA chooses another place"
        )


def _install(staging: Path, place: Path) -> None:
    try:
        staging.rename(place)
    except OSError as error:  # "not empty" or "exists", depending on the system
        raise (FileExistsError() if place.is_dir() else error) from error


@contextlib.contextmanager
def _wrap_write_errors(store: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{store}: the cache of decoded images cannot be written ({error.strerror or error});"
            " dataset.root=DIR or the environment variable GAN_DATA chooses another place"
        ) from error


def _remove_leftovers(store: Path) -> None:
    """Remove unfinished caches of killed processes, once nothing in them has changed for a day."""
    for folder in store.glob(f"{UNFINISHED}*"):
        with contextlib.suppress(OSError):  # its owner removes it at this moment
            inside = tuple(folder.iterdir()) if folder.is_dir() else ()
            changed = max(path.lstat().st_mtime for path in (folder, *inside))
            if time.time() - changed > LEFTOVER_SECONDS:
                _remove(folder)


def _write(staging: Path, key: str, target: Target, batches: Iterable[Decoded], make_labels: LabelFunction) -> None:
    kept, unread, failures, skipped, tried = array("q"), array("q"), list[tuple[str, str]](), 0, 0
    with (staging / PIXELS).open("wb") as stream:
        _write_header(stream, (0, *target.shape), target.dtype)
        data_start = stream.tell()
        for batch in batches:
            stream.write(batch.pixels.data)
            kept.extend(tried + position for position in batch.kept)
            unread.extend(tried + position for position in batch.unread)
            failures += batch.failures[: MAX_FAILURES - len(failures)]
            skipped += len(batch.failures)
            tried += batch.total
        # Write the header again, now with the final count: NumPy pads it so that the first axis may grow.
        stream.seek(0)
        _write_header(stream, (len(kept), *target.shape), target.dtype)
        if stream.tell() != data_start:
            raise RuntimeError("a .npy header changed its length with the number of images")
        fsync(stream)
    labels = make_labels(kept)
    if labels is not None:
        _save(staging / LABELS, labels.numbers)
    if unread:
        _save(staging / UNREAD, np.array(unread, np.int64))
    meta = {
        "format": FORMAT,
        "key": key,
        "shape": [len(kept), *target.shape],
        "classes": None if labels is None else labels.classes,
        "skipped": skipped,
        "failures": failures,
        "unread": len(unread),
    }
    with (staging / META).open("wb") as stream:
        stream.write(json.dumps(meta, indent=2).encode())
        fsync(stream)


def _save(path: Path, numbers: IntArray) -> None:
    with path.open("wb") as stream:
        np.save(stream, numbers)
        fsync(stream)


def _write_header(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
