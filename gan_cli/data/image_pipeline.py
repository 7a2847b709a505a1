"""From encoded images of any source to a dataset in memory-mapped pixels, by way of the cache."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from gan_cli.data.image_cache import FAILURES_KEPT, CachedImages, Labels, build_cache, open_cache
from gan_cli.data.image_decoding import Decoded, Encoded, Target, decode_all
from gan_cli.data.image_files import printable
from gan_cli.errors import DataError
from gan_cli.protocols.data import Images

logger = logging.getLogger(__name__)

MAX_WORKERS = 16
# A cache that was just built can vanish again only if another process takes it for damaged.
ATTEMPTS = 3


class Source(Protocol):
    """Where encoded images come from."""

    @property
    def where(self) -> str:
        """What messages call the source."""
        ...

    @property
    def count(self) -> int | None:
        """How many images there are; None where that shows only at the end."""
        ...

    def encoded(self) -> Iterator[Encoded]:
        """All images, in an order that never changes; raises ``DataError`` if the source cannot be read."""
        ...

    def full_name(self, name: str) -> str:
        """An image's name together with the source's."""
        ...

    def labels(self, kept: Sequence[int]) -> Labels | None:
        """Asked once :meth:`encoded` is exhausted; ``kept`` are the positions of the images that were decoded."""
        ...


def load_images(
    source: Source, target: Target, store: Path, key: str, strict: bool = False, workers: int | None = None
) -> Images:
    """All images of the source, decoded, in a read-only memory map; from the cache, which is built if it is not there.

    Args:
        source: where the images come from.
        target: what they are made into.
        store: the folder of the caches.
        key: the cache's name; another one for whatever makes other pixels.
        strict: refuse the source if an image cannot be decoded, instead of leaving that one out with a warning.
        workers: threads that decode; None for one for each processor, 16 at most.

    Raises:
        DataError: no image can be decoded, one cannot and ``strict`` holds, the source cannot be read, or the cache
            cannot be written.
    """
    cached = _cached(source, target, store, key, strict, workers)
    if cached.skipped and strict:
        raise _refusal(source, *cached.failures[0])
    if cached.skipped:
        total = cached.skipped + len(cached.images.pixels)
        logger.warning(
            "%s: left out %d of %d images that cannot be decoded, first %s",
            source.where,
            cached.skipped,
            total,
            _examples(cached.failures),
        )
    return cached.images


def _cached(source: Source, target: Target, store: Path, key: str, strict: bool, workers: int | None) -> CachedImages:
    for _ in range(ATTEMPTS):
        cached = open_cache(store, key)
        if cached is not None:
            return cached
        number = "the" if source.count is None else source.count
        logger.info("decoding %s images of %s into %s", number, source.where, store / key)
        with contextlib.closing(_decoded(source, target, strict, workers)) as batches:
            build_cache(store, key, target, batches, source.labels)
    raise DataError(f"{store / key}: the cache of decoded images is removed as soon as it is built")


def _decoded(source: Source, target: Target, strict: bool, workers: int | None) -> Generator[Decoded, None, None]:
    """Decoded batches, with a progress bar on terminals; raises ``DataError`` if there is nothing to keep."""
    failures, tried, kept = list[tuple[str, str]](), 0, 0
    threads = workers or min(MAX_WORKERS, _processors())
    with tqdm(desc="decoding", total=source.count, unit=" images", disable=None) as progress:
        for batch in decode_all(source.encoded(), target, threads):
            if batch.failures and strict:
                raise _refusal(source, *batch.failures[0])
            failures += batch.failures[: FAILURES_KEPT - len(failures)]
            tried += batch.total
            kept += len(batch.kept)
            progress.update(batch.total)
            yield batch
    if not kept:
        reason = f"none of the {tried} images can be decoded, first {_examples(failures)}" if tried else "no images"
        raise DataError(f"{source.where}: {reason}")


def _examples(failures: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{printable(name)} ({reason})" for name, reason in failures)


def _refusal(source: Source, name: str, reason: str) -> DataError:
    where = source.full_name(printable(name))
    return DataError(f"{where}: cannot be decoded ({reason}); dataset.strict=false leaves such images out")


def _processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
