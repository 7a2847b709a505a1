"""The backbone ``pixels``: samples themselves as features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gan_cli.evaluation.backbones.base import BackboneOutput, Samples, to_floats
from gan_cli.protocols.arrays import FloatArray


@dataclass(frozen=True)
class Pixels:
    """Backbone whose features are images as vectors in [-1, 1], points of the plane in their own coordinates, or rows.

    Args:
        coordinates: converts scaled points to the data's own coordinates, see ``protocols.data.Dataset``; rows of
            tables stay as they are.
    """

    coordinates: Callable[[FloatArray], FloatArray]

    name: ClassVar[str] = "pixels"
    cacheable: ClassVar[bool] = False

    @property
    def checksum(self) -> str:
        """The constant ``none``: there are no weights."""
        return "none"

    @property
    def facts(self) -> Mapping[str, Any]:
        """Resizing, of which there is none, and values."""
        return {
            "resizing": "none",
            "values": "images in [-1, 1]; points in their own coordinates; rows of tables standardized",
        }

    def extract(self, samples: Samples) -> BackboneOutput:
        """Map ``(N, *shape)`` to ``(N, D)``, D being the number of values of a sample."""
        if samples.ndim > 2 or samples.dtype == np.uint8:
            return BackboneOutput(to_floats(samples.reshape(len(samples), -1)))
        return BackboneOutput(np.asarray(self.coordinates(samples), np.float32))  # type: ignore[arg-type]
