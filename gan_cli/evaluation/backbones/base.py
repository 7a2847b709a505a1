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
    """Samples as a backbone sees them.

    Attributes:
        features: ``(N, D)`` float32.
        predicted: the class of each sample, ``(N,)``, or of each of its channels, ``(N, C)``; None: it tells none.
    """

    features: FloatArray
    predicted: IntArray | None = None


@dataclass(frozen=True)
class MetricTags:
    """What distances between features of a backbone are called."""

    frechet: str
    kernel: str
    kernel_deviation: str

    @classmethod
    def for_backbone(cls, backbone: str) -> MetricTags:
        """Named after the distance and the backbone, for every backbone but Inception."""
        return cls(f"frechet/{backbone}", f"kernel/{backbone}", f"kernel_deviation/{backbone}")


class Backbone(Protocol):
    """Turns samples into features.

    Attributes:
        name: the second half of the figures' names.
        tags: what its distances are called.
        costly: whether features are worth keeping on disk.
    """

    name: ClassVar[str]
    tags: ClassVar[MetricTags]
    cacheable: ClassVar[bool]

    @property
    def checksum(self) -> str:
        """What tells its weights from others; ``none`` without weights."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What has to be known to compare its figures: resizing, range of values, accuracy."""
        ...

    def extract(self, samples: Samples) -> BackboneOutput:
        """Features of ``(N, *shape)``, in bounded memory beside them."""
        ...


def to_floats(images: ByteArray) -> FloatArray:
    """Bytes as numbers in [-1, 1]. Any shape."""
    values: FloatArray = images.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
    return values
