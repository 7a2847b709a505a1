"""Samples in files of others: read and checked, and their values brought to the scale of the generator's."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_cli.errors import ConfigError
from gan_cli.evaluation.real_data import require_evaluation_memory
from gan_cli.evaluation.sample_sources import open_samples
from gan_cli.metrics.features import blocks
from gan_cli.metrics.registry import MAX_SAMPLES, MIN_SAMPLES
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import Dataset

logger = logging.getLogger(__name__)

# Share of a range by which values may exceed it, for rounding as in half precision.
RANGE_TOLERANCE = 0.005
# Numbers from 0 on are taken for [0, 255] only if one of them is at least this: 0 to 5, say, are hardly images.
MIN_BRIGHTEST = 64
# Rows that are checked at a time.
BLOCK_SIZE = 1024


@dataclass(frozen=True)
class ValueRange:
    """Values of black and of white in images.

    Attributes:
        low: black, finite.
        high: white, finite and more than ``low``.
    """

    low: float
    high: float

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g}]"

    def holds(self, low: float, high: float) -> bool:
        """Return whether values from ``low`` to ``high`` lie in the range, up to rounding."""
        slack = RANGE_TOLERANCE * (self.high - self.low)
        return self.low - slack <= low and high <= self.high + slack


UNIT, SYMMETRIC, BYTES = ValueRange(0.0, 1.0), ValueRange(-1.0, 1.0), ValueRange(0.0, 255.0)


@dataclass(frozen=True)
class FileSamples:
    """Samples of a file on the scale of the generator's, with their provenance.

    Attributes:
        samples: ``(N, *shape)``; images in [-1, 1].
        facts: the file, the checksum of the samples, the type and the ends of its values, the range, and of pictures
            how many there are, of arrays in a file of several which one it is.
    """

    samples: FloatArray
    facts: Mapping[str, Any]


def read_samples(
    file: Path, dataset: Dataset, count: int | None = None, value_range: ValueRange | None = None
) -> FileSamples:
    """Read samples of a file or a folder, to be compared with those of a dataset.

    Args:
        file: an array ``(N, *shape)`` of finite numbers (``.npy``, ``.npz``), points in the dataset's own coordinates;
            or a folder, a zip or tar archive, of pictures of that size.
        dataset: a dataset of samples of that shape.
        count: number of samples, from the first on; None: all.
        value_range: values of black and of white in images; None: those of the pictures' format, or of an array what
            :func:`detect_range` says.

    Raises:
        ConfigError: the file cannot be read, holds no such samples or too few, or values beyond the range.
    """
    source = open_samples(file, dataset)
    if source.total < MIN_SAMPLES:
        raise ConfigError(f"--samples: expected {MIN_SAMPLES} samples or more, got {source.total} in {file}")
    count = source.total if count is None else count
    if count > MAX_SAMPLES:
        raise ConfigError(f"--samples: {file} has {count:,} samples, more than {MAX_SAMPLES:,}: --n measures the first")
    if count > source.total:
        raise ConfigError(f"--n: expected {source.total} at most, the samples in {file}, got {count}")
    require_evaluation_memory(count, dataset.shape)
    used = source.first(count)
    low, high = _ends(used, file)
    values = f"{used.dtype} from {low:g} to {high:g}"
    facts = {"file": str(file), "checksum": _checksum(used), "values": values, **source.facts}
    if len(dataset.shape) == 1:
        if value_range is not None:
            raise ConfigError("--range: this run learned points, not images")
        return FileSamples(_scaled_points(dataset, used.astype(np.float32)), facts)
    stored = None if source.levels is None else ValueRange(*source.levels)
    taken = value_range or stored or _own_range(dataset, low, high) or detect_range(used.dtype, low, high)
    if taken is None:
        raise ConfigError(
            f"--samples: values from {low:g} to {high:g} in {file} are no images in [-1, 1], [0, 1] or [0, 255];"
            " --range LOW HIGH says which value is black and which is white"
        )
    if not taken.holds(low, high):
        raise ConfigError(
            f"--range: expected a range that holds {low:g} to {high:g}, the values in {file}, got {taken}"
        )
    if value_range is None:
        logger.info(
            "--samples: %s from %g to %g, taken as images in %s (--range LOW HIGH says otherwise)",
            *(used.dtype, low, high, taken),
        )
    return FileSamples(_scaled_images(used, taken), {**facts, "range": [taken.low, taken.high]})


def _own_range(dataset: Dataset, low: float, high: float) -> ValueRange | None:
    """Return the range of data with units of their own, if the values lie in it; None for data in [-1, 1]."""
    black, white = (
        float(dataset.coordinates(np.full((1, *dataset.shape), end, np.float32)).flat[0]) for end in (-1, 1)
    )
    own = ValueRange(black, white)
    return own if own != SYMMETRIC and own.holds(low, high) else None


def detect_range(dtype: npt.DTypeLike, low: float, high: float) -> ValueRange | None:
    """Return the range that values of images from ``low`` to ``high`` are taken for; None where none suits.

    Bytes are [0, 255]. What is never below 0 and never above 1, whatever its type, is [0, 1]; other values within
    [-1, 1] are that; values from 0 on that reach 64 and stay below 255 are [0, 255].
    """
    if UNIT.holds(low, high):
        return UNIT
    if np.dtype(dtype) == np.uint8:
        return BYTES
    if SYMMETRIC.holds(low, high):
        return SYMMETRIC
    return BYTES if BYTES.holds(low, high) and high >= MIN_BRIGHTEST else None


def _ends(values: npt.NDArray[Any], file: Path) -> tuple[float, float]:
    """Return the least and the greatest value, after a check that all are finite."""
    low, high = math.inf, -math.inf
    for block in blocks(len(values), BLOCK_SIZE):
        least, greatest = float(values[block].min()), float(values[block].max())
        if not (math.isfinite(least) and math.isfinite(greatest)):  # a NaN is both the least and the greatest
            raise ConfigError(f"--samples: {file} holds numbers that are not finite")
        low, high = min(low, least), max(high, greatest)
    return low, high


def _checksum(values: npt.NDArray[Any]) -> str:
    """Return the SHA-256, in hexadecimal, of the shape, the type and the values of the samples that are used."""
    digest = hashlib.sha256(f"{values.shape} {values.dtype}".encode())
    for block in blocks(len(values), BLOCK_SIZE):
        digest.update(np.ascontiguousarray(values[block]).data)
    return digest.hexdigest()


def _scaled_images(values: npt.NDArray[Any], taken: ValueRange) -> FloatArray:
    """Convert images of a range to [-1, 1]."""
    if taken == SYMMETRIC:
        return values.astype(np.float32)
    result: FloatArray = np.empty(values.shape, np.float32)
    for block in blocks(len(values), BLOCK_SIZE):
        result[block] = (values[block].astype(np.float64) - taken.low) * (2 / (taken.high - taken.low)) - 1
    return result


def _scaled_points(dataset: Dataset, values: FloatArray) -> FloatArray:
    """Convert points from the dataset's own coordinates to the scale of the generator's."""
    # Inverse of the dataset's coordinates, which are affine.
    origin, one = (dataset.coordinates(np.full((1, *dataset.shape), value, np.float32)) for value in (0.0, 1.0))
    result: FloatArray = ((values - origin) / (one - origin)).astype(np.float32)
    return result
