"""Arrays by the path of their file and their name in it, for every format that is read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from gan_cli.data import array_containers, array_sources
from gan_cli.data.array_files import ArrayFileError
from gan_cli.data.array_sources import ArraySource, choose_name
from gan_cli.data.memory import require_memory
from gan_cli.errors import DataError, did_you_mean, printable, truncated_repr
from gan_cli.protocols.arrays import IntArray

SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".zarr")
# Of a file of several arrays, so many are looked at for the only one that may be of images.
MAX_LOOKED_AT = 256
IMAGE_AXES = (3, 4)
# More classes than this are none.
MAX_CLASSES = 10_000


@dataclass(frozen=True)
class OpenArray:
    """An array of real numbers in a file.

    Attributes:
        source: its rows.
        location: its file, and its name in a file of several, for messages.
    """

    source: ArraySource
    location: str


@dataclass(frozen=True)
class ArrayLabels:
    """Classes of the rows of an array.

    Attributes:
        numbers: ``(N,)``, the class of each row, from 0 on.
        names: of the classes; empty where the array numbers them from 0 on itself.
    """

    numbers: IntArray
    names: tuple[str, ...]


@contextlib.contextmanager
def array_errors(location: object) -> Iterator[None]:
    """Turn errors of reading arrays into ``DataError`` with the place in front."""
    try:
        yield
    except ArrayFileError as error:
        raise DataError(f"{location}: {error}") from error
    except OSError as error:
        raise DataError(f"{location}: cannot be read ({error.strerror or error})") from error


def require_array_file(path: Path) -> None:
    """Check that there is something of that name that may hold arrays.

    Raises:
        DataError: there is not, or its suffix is none of :data:`SUFFIXES`; suggests the most similar name.
    """
    with array_errors(path):
        if not path.exists():
            siblings = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
            raise DataError(f"{path}: there is no such file.{did_you_mean(path.name, siblings)}")
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path}: expected arrays: a file that ends with {', '.join(SUFFIXES)}")


def open_array(path: Path, key: str | None, apart: str | None = None) -> OpenArray:
    """Open an array of images; its rows are read when they are asked for.

    Args:
        path: a file with one of :data:`SUFFIXES`.
        key: name of the array in a file of several; None: the only one, or the only one of three or four axes.
        apart: name of another array, which is not meant.

    Raises:
        ConfigError: a package is missing.
        DataError: there is no such file or array, or it cannot be read or is none of real numbers.
    """
    require_array_file(path)
    with array_errors(path):
        return _open(path, key, apart, "key")


def _open(path: Path, key: str | None, apart: str | None, setting: str) -> OpenArray:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        if key is not None:
            raise DataError(f"{path}: dataset.{setting} is {truncated_repr(key)}, but a .npy file has a single array")
        return _real(OpenArray(array_sources.open_npy(path), str(path)))
    names, pick = _container(path, suffix)
    name = choose_name(path, _candidates(names, key, apart, pick), key, setting)
    return _real(OpenArray(pick(name), f"{path}: {printable(name)}" if name else str(path)))


def _container(path: Path, suffix: str) -> tuple[Sequence[str], Callable[[str], ArraySource]]:
    """Return the names of the arrays in a file of several, and a function that opens one of them."""
    if suffix == ".npz":
        return array_sources.npz_names(path), partial(array_sources.open_npz, path)
    if suffix == ".zarr":
        return array_containers.zarr_names(path), partial(array_containers.zarr_source, path)
    file = array_containers.open_hdf5(path)
    return array_containers.hdf5_names(file), partial(array_containers.hdf5_source, path, file)


def _candidates(
    names: Sequence[str], key: str | None, apart: str | None, pick: Callable[[str], ArraySource]
) -> Sequence[str]:
    """Return the names among which an array is chosen: where none is asked for, those that may be images."""
    if key is not None or len(names) < 2:
        return names
    others = [name for name in names if name != apart]
    images = [name for name in others[:MAX_LOOKED_AT] if _may_be_images(name, pick)]
    return images if len(images) == 1 and len(others) <= MAX_LOOKED_AT else others


def _may_be_images(name: str, pick: Callable[[str], ArraySource]) -> bool:
    try:
        return len(pick(name).shape) in IMAGE_AXES
    except ArrayFileError:
        return False


def _real(found: OpenArray) -> OpenArray:
    dtype = found.source.dtype
    if dtype.kind == "c":
        raise DataError(f"{found.location}: complex numbers; expected real ones, such as their parts as two channels")
    if dtype.kind not in "biuf":
        raise DataError(f"{found.location}: an array of {dtype}, not of numbers")
    return found


def read_labels(path: Path, labels: str, count: int) -> ArrayLabels:
    """Read the class of each row of an array.

    Args:
        path: the file of the array.
        labels: name of another array in it, or else a ``.npy`` file.
        count: number of rows.

    Raises:
        DataError: there are no such labels, or they are not one whole number a row.
    """
    is_file = labels.lower().endswith(".npy")
    place = Path(labels).expanduser().absolute() if is_file else path
    if not is_file and path.suffix.lower() == ".npy":
        raise DataError(f"dataset.labels: expected a .npy file for the labels of {path}, got {truncated_repr(labels)}")
    require_array_file(place)
    with array_errors(place):
        found = _open(place, None if is_file else labels, None, "labels")
    if found.source.shape not in ((count,), (count, 1)):
        raise DataError(
            f"{found.location}: labels of shape {found.source.shape}; expected ({count},), one for each row"
        )
    require_memory(count * (found.source.dtype.itemsize + 8), f"the labels in {found.location}", "use fewer rows")
    with array_errors(found.location):
        values = np.concatenate(list(found.source.blocks())).reshape(-1)
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        raise DataError(f"{found.location}: labels that are no whole numbers; expected the number of a class each")
    if values.dtype.kind == "u" and values.max() > np.iinfo(np.int64).max:
        raise DataError(f"{found.location}: a label of {values.max()}; expected the number of a class each")
    known, numbers = np.unique(values.astype(np.int64), return_inverse=True)
    if len(known) > min(MAX_CLASSES, count - 1):
        raise DataError(
            f"{found.location}: {len(known):,} classes of {count:,} rows; expected fewer, {MAX_CLASSES:,} at most"
        )
    plain = known[0] == 0 and known[-1] == len(known) - 1
    return ArrayLabels(numbers.astype(np.int64).reshape(-1), () if plain else tuple(map(str, known.tolist())))
