"""Load the encoded images of any source as memory-mapped pixels, by way of the cache of decoded images."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from gan_cli.data.cache import can_be_written, home_root
from gan_cli.data.cached_images import CachedImages
from gan_cli.data.image_cache import MAX_FAILURES, Labels, build_cache, open_cache, remove_cache
from gan_cli.data.image_decoding import Decoded, Encoded, Target, decode_all
from gan_cli.errors import DataError, printable
from gan_cli.protocols.data import Images

logger = logging.getLogger(__name__)

MAX_WORKERS = 16
# A cache that was just built can vanish again only if another process takes it for damaged.
ATTEMPTS = 3


class ImageSource(Protocol):
    """Source of encoded images, such as a folder."""

    @property
    def location(self) -> str:
        """Name of the source in messages."""
        ...

    @property
    def count(self) -> int | None:
        """Number of images; None where it is known only at the end."""
        ...

    def encoded(self) -> Iterator[Encoded]:
        """Yield all images, in an order that never changes; raise ``DataError`` if the source cannot be read."""
        ...

    def full_name(self, name: str) -> str:
        """Return an image's name together with the source's."""
        ...

    def is_readable(self, position: int) -> bool:
        """Return True if the image at a position can be read now, whether it can be decoded or not."""
        ...

    def labels(self, kept: Sequence[int]) -> Labels | None:
        """Return the labels of the images at the positions ``kept``; called once :meth:`encoded` is exhausted."""
        ...


def load_images(
    source: ImageSource, target: Target, store: Path, key: str, strict: bool = False, workers: int | None = None
) -> Images:
    """Load all images of the source as a read-only memory map, from the cache, which is built if there is none.

    Args:
        source: where the images come from.
        target: format they are converted to.
        store: the folder of the caches.
        key: name of the cache, which changes with whatever changes the pixels; see ``image_cache.cache_key``.
        strict: reject the source if an image cannot be read or decoded, instead of leaving that one out with a warning.
        workers: threads that decode; None: one per processor, 16 at most.

    Raises:
        DataError: no image can be decoded, one cannot and ``strict`` holds, the source cannot be read, or the cache
            cannot be written.
    """
    cached = _open_or_build(source, target, store, key, strict, workers)
    if cached.skipped and strict:
        raise _decoding_error(source, *cached.failures[0])
    if cached.skipped:
        unread = 0 if cached.unread is None else len(cached.unread)
        logger.warning(
            "%s: left out %d of %d images that cannot be decoded, first %s%s",
            source.location,
            cached.skipped,
            cached.skipped + len(cached.images.array),
            _examples(cached.failures),
            f"; {unread} of them cannot be read, which the next run tries again" if unread else "",
        )
    return cached.images


def _open_or_build(
    source: ImageSource, target: Target, store: Path, key: str, strict: bool, workers: int | None
) -> CachedImages:
    store = _usable_store(store, key, target)
    for _ in range(ATTEMPTS):
        cached = open_cache(store, key, target)
        if cached is not None and _is_final(cached, source):
            return cached
        if cached is not None:
            remove_cache(store, key)
        number = "the" if source.count is None else source.count
        logger.info("decoding %s images of %s into %s", number, source.location, store / key)
        with contextlib.closing(_decode(source, target, strict, workers)) as batches:
            build_cache(store, key, target, batches, source.labels, source.count)
        built = open_cache(store, key, target)
        if built is not None:
            return built
    raise DataError(f"{store / key}: the cache of decoded images is removed as soon as it is built")


def _usable_store(store: Path, key: str, target: Target) -> Path:
    """Return the folder of caches, or that in the user's own cache where a cache is missing and cannot be written."""
    if can_be_written(store) or open_cache(store, key, target) is not None:
        return store
    places = [home / store.name for home in home_root() if can_be_written(home / store.name)]
    if not places:
        return store  # building the cache there says what is wrong
    logger.warning("%s cannot be written: decoded images are kept in %s", store, places[0])
    return places[0]


def _is_final(cached: CachedImages, source: ImageSource) -> bool:
    """Return True if no image that is missing in a cache could be read by now; log it otherwise."""
    if source.count is not None and cached.skipped + len(cached.images.array) != source.count:
        logger.warning("%s: its cache of decoded images is of another number of images", source.location)
        return False
    if cached.unread is None:
        logger.info("%s: images that an earlier version left out are tried again", source.location)
        return False
    if any(source.is_readable(int(position)) for position in cached.unread):
        logger.info("%s: images that could not be read before now can", source.location)
        return False
    return True


def _decode(source: ImageSource, target: Target, strict: bool, workers: int | None) -> Generator[Decoded, None, None]:
    """Yield decoded batches, with a progress bar on terminals; raise ``DataError`` if no image can be decoded."""
    failures, tried, kept = list[tuple[str, str]](), 0, 0
    threads = workers or min(MAX_WORKERS, _usable_cpus())
    with tqdm(desc="decoding", total=source.count, unit=" images", disable=None) as progress:
        for batch in decode_all(source.encoded(), target, threads):
            if batch.failures and strict:
                raise _decoding_error(source, *batch.failures[0])
            failures += batch.failures[: MAX_FAILURES - len(failures)]
            tried += batch.total
            kept += len(batch.kept)
            progress.update(batch.total)
            yield batch
    if not kept:
        reason = f"none of the {tried} images can be decoded, first {_examples(failures)}" if tried else "no images"
        raise DataError(f"{source.location}: {reason}")


def _examples(failures: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{printable(name)} ({reason})" for name, reason in failures)


def _decoding_error(source: ImageSource, name: str, reason: str) -> DataError:
    location = source.full_name(printable(name))
    return DataError(f"{location}: cannot be decoded ({reason}); dataset.strict=false leaves such images out")


def _usable_cpus() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
