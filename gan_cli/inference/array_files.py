"""Arrays of numbers in ``.npy`` files that a user names; nothing is unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_cli.errors import ConfigError
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import Dataset
from gan_cli.storage.reading import open_regular


def map_array(option: str, file: Path) -> npt.NDArray[Any]:
    """Map an array into memory: a header that announces more than the file has allocates nothing.

    Args:
        option: the option that names the file, for messages.
        file: as NumPy stores an array.

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    try:
        open_regular(file).close()
        with np.errstate(over="ignore"):  # a shape whose product is no 64-bit number is refused all the same
            values: npt.NDArray[Any] = np.lib.format.open_memmap(file, mode="r")
    except OSError as error:
        raise ConfigError(f"{option}: {file} cannot be read ({error.strerror or error})") from error
    except Exception as error:  # NumPy parses a header as Python, and raises nearly anything on a damaged one
        raise ConfigError(f"{option}: {file} is no array of numbers as NumPy stores it (.npy)") from error
    return values


def map_floats(option: str, file: Path) -> npt.NDArray[Any]:
    """Map an array of floats into memory; raises as :func:`map_array`, and for numbers of another kind."""
    values = map_array(option, file)
    if values.dtype.kind != "f":
        raise ConfigError(f"{option}: expected floats, got {values.dtype} in {file}")
    return values


def read_samples_of(option: str, file: Path, dataset: Dataset) -> FloatArray:
    """Read samples ``(N, *shape)`` in the units of a dataset, as ``gan-sample --out FILE.npy`` writes them.

    Returns:
        The samples on the scale of the generator's, images in [-1, 1].

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    values = map_floats(option, file)
    if values.shape[1:] != dataset.shape or not len(values):
        wanted = ", ".join(map(str, dataset.shape))
        raise ConfigError(f"{option}: expected an array of shape (N, {wanted}), got {values.shape} in {file}")
    if not np.isfinite(values).all():
        raise ConfigError(f"{option}: expected finite numbers, got others in {file}")
    # The inverse of the dataset's coordinates, which are affine.
    origin, one = (dataset.coordinates(np.full((1, *dataset.shape), value, np.float32)) for value in (0.0, 1.0))
    scaled: FloatArray = ((values - origin) / (one - origin)).astype(np.float32)
    return scaled
