"""Copies of arrays that cannot be mapped where they are: one ``.npy`` file each, below the data root, written once."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_cli.data.array_files import ArrayFileError
from gan_cli.data.array_sources import ArraySource, open_npy
from gan_cli.data.cache import can_be_written, home_root
from gan_cli.errors import DataError
from gan_cli.storage.files import fsync, replacing_durably

logger = logging.getLogger(__name__)

FOLDER = "arrays"
ADVICE = "dataset.root=DIR or the environment variable GAN_DATA chooses another place"


def mapped_array(source: ArraySource, location: str, root: Path) -> npt.NDArray[Any]:
    """Return an array as a memory map: where it lies, or of its copy below the data root, which is made if need be.

    Raises:
        ArrayFileError: the array is damaged.
        OSError: it cannot be read.
        DataError: the copy cannot be written, or there is no room for it.
    """
    mapped = source.mapped()
    if mapped is not None:
        return mapped
    name = f"{hashlib.sha256(source.identity.encode(errors='surrogateescape')).hexdigest()}.npy"
    places = [place / FOLDER for place in (root, *home_root())]
    for place in places:
        found = _existing(place / name, source)
        if found is not None:
            return found
    place = next((place for place in places if can_be_written(place)), places[0])
    logger.info("%s is copied to %s, from where it is read batch by batch", location, place / name)
    _copy(source, place / name)
    copied = _existing(place / name, source)
    if copied is None:
        raise DataError(f"{place / name}: the copy of {location} is changed as soon as it is made")
    return copied


def _existing(path: Path, source: ArraySource) -> npt.NDArray[Any] | None:
    """Return the copy as a memory map; None where there is none of that shape and type."""
    if not os.path.lexists(path):
        return None
    try:
        array = open_npy(path).array
    except (ArrayFileError, OSError) as error:
        logger.warning("%s: the copy of an array is damaged (%s), it is made again", path, error)
        return None
    return array if array.shape == source.shape and array.dtype == source.dtype.newbyteorder("=") else None


def _copy(source: ArraySource, path: Path) -> None:
    size = math.prod(source.shape) * source.dtype.itemsize
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
        if size > free:
            raise DataError(f"{path.parent}: a copy takes {size:,} bytes, and {free:,} are free there; {ADVICE}")
        with replacing_durably(path) as part, part.open("wb") as file:
            native = source.dtype.newbyteorder("=")
            header = {"descr": np.lib.format.dtype_to_descr(native), "fortran_order": False, "shape": source.shape}
            np.lib.format.write_array_header_1_0(file, header)
            for block in source.blocks():
                file.write(np.ascontiguousarray(block, native).data)
            fsync(file)
    except OSError as error:
        raise DataError(f"{path.parent}: the copy cannot be written ({error.strerror or error}); {ADVICE}") from error
