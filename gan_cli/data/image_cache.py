"""Decoded images on disk: one folder ``<store>/<key>`` with ``pixels.npy``, ``labels.npy`` and ``meta.json``.

A cache is built in a temporary folder beside its own and renamed when it is complete, so that it is never seen
half-built: several processes may build the same one, the first to finish wins, and the others use its result.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import time
import uuid
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from gan_cli.data.image_decoding import Decoded, Target
from gan_cli.errors import DataError
from gan_cli.protocols.arrays import IntArray
from gan_cli.protocols.data import Images
from gan_cli.storage.files import LEFTOVER_SECONDS, fsync

logger = logging.getLogger(__name__)

# Part of every key: raise it when decoding or the files below change.
FORMAT = 1
UNFINISHED = ".unfinished-"
MAX_FAILURES = 3


@dataclass(frozen=True)
class CachedImages:
    """Decoded images of a cache, and those that could not be decoded.

    Attributes:
        images: pixels in a read-only memory map, labels in memory.
        skipped: images that could not be decoded.
        failures: ``(name, reason)`` of the first few of them.
        classes: names of the labels, if there are labels.
    """

    images: Images
    skipped: int
    failures: tuple[tuple[str, str], ...]
    classes: tuple[str, ...] | None


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


class _DamagedCacheError(Exception):
    """The files of a cache do not match each other; the message says how."""


def cache_key(target: Target, identities: Iterable[bytes]) -> str:
    """Return 64 hexadecimal digits that depend on the target format and on the identities of the source's items."""
    digest = hashlib.sha256(json.dumps({"format": FORMAT, **asdict(target)}).encode())
    for identity in identities:
        digest.update(identity)
    return digest.hexdigest()


def open_cache(store: Path, key: str) -> CachedImages | None:
    """Open the finished cache of that key; None if there is none. A damaged one is removed, with a warning.

    Raises:
        DataError: a damaged cache cannot be removed.
    """
    place = store / key
    try:
        return _read(place, key) if place.is_dir() else None
    except _DamagedCacheError as error:
        logger.warning("%s: the cache of decoded images is damaged (%s), it is built again", place, error)
    except OSError as error:
        raise DataError(f"{place}: cannot be read ({error.strerror or error})") from error
    with _wrap_write_errors(store):
        # Renamed first, in one step: another process must not see it half removed.
        aside = store / f"{UNFINISHED}{uuid.uuid4().hex}"
        with contextlib.suppress(FileNotFoundError):  # another process was first
            place.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
    return None


def build_cache(store: Path, key: str, target: Target, batches: Iterable[Decoded], make_labels: LabelFunction) -> None:
    """Write the cache of ``key``; memory holds one batch, and eight bytes for each image that is kept.

    Raises:
        DataError: the store cannot be written. Errors of ``batches`` propagate; either way no temporary file is left.
    """
    staging = store / f"{UNFINISHED}{uuid.uuid4().hex}"
    try:
        with _wrap_write_errors(store):
            staging.mkdir(parents=True)
            _remove_leftovers(store)
            _write(staging, key, target, batches, make_labels)
            with contextlib.suppress(FileExistsError):
                _install(staging, store / key)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


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
            changed = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if time.time() - changed > LEFTOVER_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _write(staging: Path, key: str, target: Target, batches: Iterable[Decoded], make_labels: LabelFunction) -> None:
    kept, failures, skipped, tried = array("q"), list[tuple[str, str]](), 0, 0
    with (staging / "pixels.npy").open("wb") as stream:
        _write_header(stream, (0, *target.shape))
        data_start = stream.tell()
        for batch in batches:
            stream.write(batch.pixels.data)
            kept.extend(tried + position for position in batch.kept)
            failures += batch.failures[: MAX_FAILURES - len(failures)]
            skipped += len(batch.failures)
            tried += batch.total
        # Write the header again, now with the final count: NumPy pads it so that the first axis may grow.
        stream.seek(0)
        _write_header(stream, (len(kept), *target.shape))
        if stream.tell() != data_start:
            raise RuntimeError("a .npy header changed its length with the number of images")
        fsync(stream)
    labels = make_labels(kept)
    if labels is not None:
        with (staging / "labels.npy").open("wb") as stream:
            np.save(stream, labels.numbers)
            fsync(stream)
    meta = {
        "format": FORMAT,
        "key": key,
        "shape": [len(kept), *target.shape],
        "classes": None if labels is None else labels.classes,
        "skipped": skipped,
        "failures": failures,
    }
    with (staging / "meta.json").open("wb") as stream:
        stream.write(json.dumps(meta, indent=2).encode())
        fsync(stream)


def _write_header(stream: IO[bytes], shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _read(place: Path, key: str) -> CachedImages:
    try:
        meta: dict[str, Any] = json.loads((place / "meta.json").read_bytes())
        pixels = np.load(place / "pixels.npy", mmap_mode="r")
        labels = None if meta["classes"] is None else np.array(np.load(place / "labels.npy", mmap_mode="r"))
        found = (meta["key"], list(pixels.shape), pixels.dtype, None if labels is None else labels.shape)
        count = meta["shape"][0]
        expected = (key, meta["shape"], np.uint8, None if labels is None else (count,))
        if found != expected:
            raise _DamagedCacheError(f"found {found}, expected {expected}")
        return CachedImages(
            Images(pixels, labels, class_names=tuple(map(str, meta["classes"] or ()))),
            skipped=int(meta["skipped"]),
            failures=tuple((str(name), str(reason)) for name, reason in meta["failures"]),
            classes=None if meta["classes"] is None else tuple(meta["classes"]),
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _DamagedCacheError(str(error)) from error
    except (_DamagedCacheError, OSError):
        raise
    except Exception as error:  # NumPy parses a header as Python, and raises nearly anything on a damaged one
        raise _DamagedCacheError(str(error) or type(error).__name__) from error
