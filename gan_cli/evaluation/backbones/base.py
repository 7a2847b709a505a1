"""The interface of backbones: samples in, features out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np

from gan_cli.data.normalization import Normalization, stored_tensor
from gan_cli.protocols.arrays import ByteArray, FloatArray, IntArray
from gan_cli.protocols.data import BYTE_LEVELS, StoredSamples
from gan_cli.telemetry import images

# Images (N, C, H, W) as bytes, real and generated alike, where the data are bytes; other images and points (N, D) as
# floats, scaled to about [-1, 1].
Samples: TypeAlias = ByteArray | FloatArray


@dataclass(frozen=True)
class BackboneOutput:
    """Features of samples, and predicted classes.

    Attributes:
        features: ``(N, D)`` float32.
        predicted: the class of each sample, ``(N,)``, or of each of its channels, ``(N, C)``; None: the backbone
            predicts none.
    """

    features: FloatArray
    predicted: IntArray | None = None


class Backbone(Protocol):
    """Interface of feature extractors for samples.

    Attributes:
        name: the second half of its metrics' names.
        cacheable: True if features are worth caching on disk.
    """

    name: ClassVar[str]
    cacheable: ClassVar[bool]

    @property
    def checksum(self) -> str:
        """Checksum of its weights; ``none`` without weights."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """Provenance that comparing its metrics needs: resizing, range of values, accuracy."""
        ...

    def extract(self, samples: Samples) -> BackboneOutput:
        """Extract features of ``(N, *shape)``, in bounded memory beside them."""
        ...


def stored_samples(source: StoredSamples, rows: IntArray | slice) -> Samples:
    """Return rows of the data: bytes as they are, other numbers as float32, with the data's levels at -1 and 1."""
    stored = source.array[rows]
    if stored.dtype == np.uint8 and source.levels == BYTE_LEVELS:
        pixels: ByteArray = stored
        return pixels
    values: FloatArray = Normalization(source.levels)(stored_tensor(np.ascontiguousarray(stored))).numpy()
    return values


def to_floats(samples: Samples) -> FloatArray:
    """Return samples of any shape as float32 in [-1, 1]."""
    if samples.dtype != np.uint8:
        return samples  # type: ignore[return-value]
    values: FloatArray = samples.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
    return values


def to_bytes(samples: Samples) -> ByteArray:
    """Return images of any shape as bytes, for backbones that look at 256 levels."""
    if samples.dtype == np.uint8:
        return samples  # type: ignore[return-value]
    return images.to_bytes(samples)  # type: ignore[arg-type]
