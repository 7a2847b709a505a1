"""A user's own images: any tree of image files, decoded once into a memory-mapped cache."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from gan_cli.datasets.base import ImageDataset, expanded
from gan_cli.datasets.decoding import Decoded, Target, decode_all
from gan_cli.datasets.image_cache import FAILURES_KEPT, CachedImages, build_cache, cache_key, open_cache
from gan_cli.datasets.image_listing import SUFFIXES, ImageFile, list_images, printable
from gan_cli.errors import DataError, nearest, require
from gan_cli.protocols import Images

logger = logging.getLogger(__name__)

MAX_WORKERS = 16
# A cache that was just built can vanish again only if another process takes it for damaged.
ATTEMPTS = 3


@dataclass(frozen=True)
class ImageFolder(ImageDataset):
    """PNG, JPEG, WebP and BMP files below a folder; its sub-folders are classes if all images lie in them.

    Every image is turned upright as its EXIF data say, cropped to its central square and resized with an antialiasing
    filter. What cannot be decoded is left out, with a warning.

    Args:
        path: the folder of images.
        root: the data root, whose ``image_folder`` keeps the decoded images.
        size: side of the images in pixels, 4 to 1024.
        channels: 1 for grey, 3 for RGB.
        strict: refuse the folder if an image cannot be decoded.
        workers: threads that decode; None for one for each processor, 16 at most.
    """

    path: str | None
    root: str
    size: int = 32
    channels: int = 3
    strict: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        require(bool(self.path), "path", self.path, "a folder of images (dataset.path=DIR)")
        expanded("path", self.path or "")
        expanded("root", self.root)
        require(4 <= self.size <= 1024, "size", self.size, "an integer from 4 to 1024")
        require(self.channels in (1, 3), "channels", self.channels, "1 (grey) or 3 (RGB)")
        require(self.workers is None or self.workers >= 1, "workers", self.workers, "an integer >= 1 or null")

    @property
    def shape(self) -> tuple[int, ...]:
        """``(channels, size, size)``."""
        return (self.channels, self.size, self.size)

    def load(self) -> Images:
        """Pixels ``(N, C, size, size)`` in the order of the files' names; labels if there are classes.

        Raises:
            DataError: there is no such folder or no image in it, an image cannot be decoded and ``strict`` holds, or
                the cache cannot be written.
        """
        folder = _existing(expanded("path", self.path or "").absolute())
        files = list_images(folder)
        if not files:
            raise DataError(f"{folder}: no images there; looked for {' '.join(SUFFIXES)} in it and below")
        cached = self._cached(folder, files)
        if cached.skipped:
            self._complain(folder, cached)
        return cached.images

    def _cached(self, folder: Path, files: Sequence[ImageFile]) -> CachedImages:
        """From the cache, which is built if it is not there."""
        target = Target(self.size, self.channels)
        store, key = expanded("root", self.root) / "image_folder", cache_key(files, target)
        for _ in range(ATTEMPTS):
            cached = open_cache(store, key)
            if cached is not None:
                return cached
            logger.info("decoding %d images of %s into %s", len(files), folder, store / key)
            with contextlib.closing(self._decoded(folder, files, target)) as batches:
                build_cache(store, key, files, target, batches)
        raise DataError(f"{store / key}: the cache of decoded images is removed as soon as it is built")

    def _decoded(self, folder: Path, files: Sequence[ImageFile], target: Target) -> Generator[Decoded, None, None]:
        """Decoded batches, with a progress bar on terminals; raises ``DataError`` if there is nothing to keep."""
        failures: list[tuple[str, str]] = []
        names = [file.name for file in files]
        workers = self.workers or min(MAX_WORKERS, _processors())
        with tqdm(desc="decoding", total=len(names), unit=" images", disable=None) as progress:
            for batch in decode_all(folder, names, target, workers):
                if batch.failures and self.strict:
                    raise _refusal(folder, *batch.failures[0])
                failures += batch.failures
                progress.update(batch.total)
                yield batch
        if len(failures) == len(names):
            examples = _examples(failures[:FAILURES_KEPT])
            raise DataError(f"{folder}: none of the {len(names)} images can be decoded, first {examples}")

    def _complain(self, folder: Path, cached: CachedImages) -> None:
        if self.strict:
            raise _refusal(folder, *cached.failures[0])
        examples, total = _examples(cached.failures), cached.skipped + len(cached.images.pixels)
        logger.warning(
            "%s: left out %d of %d images that cannot be decoded, first %s", folder, cached.skipped, total, examples
        )


def _examples(failures: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{printable(name)} ({reason})" for name, reason in failures)


def _refusal(folder: Path, name: str, reason: str) -> DataError:
    return DataError(
        f"{folder / printable(name)}: cannot be decoded ({reason}); dataset.strict=false leaves such images out"
    )


def _existing(folder: Path) -> Path:
    """The folder itself.

    Raises:
        DataError: there is no such folder; suggests the name that is most like it.
    """
    try:
        if folder.is_dir():
            return folder
        if folder.exists():
            raise DataError(f"{folder}: a file; expected a folder of images")
        missing = folder
        while not missing.parent.is_dir():
            missing = missing.parent
        siblings = [path.name for path in missing.parent.iterdir() if path.is_dir()]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror or error})") from error
    raise DataError(f"{folder}: there is no folder {missing}.{nearest(missing.name, siblings)}")


def _processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
