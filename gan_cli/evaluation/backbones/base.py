"""The interface of backbones: samples in, features out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np

from gan_cli.protocols.arrays import ByteArray, FloatArray, IntArray

# Images (N, C, H, W) as bytes, real and generated alike; points (N, D), scaled to about [-1, 1].
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


def to_floats(images: ByteArray) -> FloatArray:
    """Convert bytes to float32 in [-1, 1], for any shape."""
    values: FloatArray = images.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
    return values
