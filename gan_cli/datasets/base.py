"""Common parts of image datasets, and of datasets of points in the plane."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias

from gan_cli.components.ranges import Range, check_ranges
from gan_cli.data.cache import DEFAULT_ROOT, ROOT_VARIABLE
from gan_cli.errors import ConfigError, DataError, InvalidValueError, did_you_mean, require
from gan_cli.protocols.arrays import FloatArray

# Bits of a channel of pictures of the samples.
BYTE_BITS, DEEP_BITS = 8, 16


class ImageDataset:
    """Base of image datasets, whose generated samples already are in the data's own coordinates."""

    def coordinates(self, samples: FloatArray) -> FloatArray:
        """Return images ``(N, C, H, W)`` in [-1, 1] unchanged."""
        return samples

    @property
    def pixel_bits(self) -> int:
        """Bits of a channel of pictures of the samples, 8 or 16."""
        return BYTE_BITS


@dataclass(frozen=True)
class PublishedImages(ImageDataset):
    """Base of published images: from the data root if present, else from a mirror.

    Args:
        root: the data root; ``~`` is the home directory.
        mirrors: addresses of folders with the published files, tried in this order; empty for no downloads.
    """

    root: str
    mirrors: tuple[str, ...]

    licence: ClassVar[str]
    title: ClassVar[str]
    # Folders below the data root in which the data are looked for; they are downloaded into the first. Empty: the root.
    folders: ClassVar[Sequence[str]]

    def __post_init__(self) -> None:
        expand_path("root", self.root)
        check_mirrors(self.mirrors)
        check_ranges(self)

    @property
    def place(self) -> Path:
        """Folder below the data root into which the data are downloaded."""
        return self.places[0]

    @property
    def places(self) -> list[Path]:
        """Folders in which the data are looked for."""
        root = expand_path("root", self.root)
        return [root / folder for folder in self.folders]


class PlaneDataset:
    """Base of datasets of points in the plane: synthetic, and without labels."""

    licence: ClassVar[str] = "Synthetic points, drawn from a formula: free of rights."

    @property
    def shape(self) -> tuple[int, ...]:
        return (2,)

    @property
    def classes(self) -> int:
        """The number of classes is 0: points have no labels."""
        return 0


def expand_path(key: str, folder: str) -> Path:
    """Return a folder as a path, with ``~`` replaced by the home directory.

    Raises:
        InvalidValueError: it is empty, or its ``~name`` has no home directory.
    """
    require(folder != "", key, folder, "a folder")
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:
        raise InvalidValueError(key, folder, "a folder below a home directory that exists") from error


def data_root(root: str | None) -> Path:
    """Return the data root: the one that a dataset has, else that of the environment, else the default one.

    Raises:
        ConfigError: it lies in a home directory that there is none of.
    """
    try:
        return expand_path("root", root or os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT)
    except InvalidValueError as error:
        raise ConfigError(f"no data root ({error}): the environment variable {ROOT_VARIABLE} names one") from error


def is_present(path: Path) -> bool:
    """Return True if there is anything of that name, whatever it is.

    Raises:
        DataError: its folder cannot be searched.
    """
    try:
        return path.exists()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def check_mirrors(mirrors: Sequence[str]) -> None:
    """Check that mirrors are addresses on the web.

    Raises:
        InvalidValueError: one of ``mirrors`` is not.
    """
    for mirror in mirrors:
        require(
            mirror.startswith(("https://", "http://")),
            "mirrors",
            mirror,
            "addresses that begin with https:// or http://",
        )


def check_levels(levels: tuple[float, float]) -> None:
    """Raise ``InvalidValueError`` unless the values of ``range`` are finite and ascend."""
    low, high = levels
    allowed = "auto, or two finite numbers [low, high] with low < high"
    require(math.isfinite(high - low) and low < high, "range", list(levels), allowed)


@contextlib.contextmanager
def checking_present_file(name: str) -> Iterator[None]:
    """Add how the published file is got to a ``DataError`` of the block, which reads a file that is present.

    The file may be a user's own, under the name of one of the published data: it is never replaced, nor called useless.

    Args:
        name: name of the data, for a reader.
    """
    try:
        yield
    except DataError as error:
        if getattr(error.__cause__, "errno", None) is not None:  # nothing is known of its content
            raise
        raise DataError(
            f"{error}. It is not the file that {name} is published as, and stays as it is: the published one is"
            " downloaded, or can be put there, once this one has another name, or with another dataset.root=DIR;"
            " dataset=image_folder dataset.path=DIR reads images of your own"
        ) from error


def missing_files_error(error: DataError, files: str, place: Path) -> DataError:
    """Return the error of a download with what a user can do instead: put files (in words) into a place."""
    return DataError(
        f"{error} Put {files} into {place}, or choose another data root with dataset.root=DIR or the environment"
        " variable GAN_DATA."
    )


# A value of the data that is -1 or 1 for networks.
Level: TypeAlias = Annotated[float, Range(-1e37, 1e37)]
# Options of dataset that read a file, by what its name ends with.
READERS: Mapping[str, str] = {
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz"), "image_archive"),
    **dict.fromkeys((".npy", ".npz", ".h5", ".hdf5"), "arrays"),
    **dict.fromkeys((".csv", ".tsv", ".parquet"), "table"),
    ".txt": "text",
}


def _reader_of(path: Path) -> str:
    option = READERS.get(path.suffix.lower())
    return f" dataset={option} reads files of this kind" if option else ""


def require_folder(folder: Path) -> Path:
    """Return the folder if it exists.

    Raises:
        DataError: there is no such folder; suggests the most similar name.
    """
    try:
        if folder.is_dir():
            return folder
        if folder.exists():
            raise DataError(f"{folder}: a file; expected a folder.{_reader_of(folder)}")
        missing = folder
        while not missing.parent.is_dir():
            missing = missing.parent
        siblings = [path.name for path in missing.parent.iterdir() if path.is_dir()]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror or error})") from error
    what = "" if missing == folder else f"{folder}: "
    raise DataError(f"{what}there is no folder {missing}.{did_you_mean(missing.name, siblings)}")
