"""Sharpness of images: the strength of their edges. Blurred ones have weak edges, noise has strong ones everywhere."""

from __future__ import annotations

import numpy as np

from gan_cli.metrics.registry import metric
from gan_cli.protocols.arrays import FloatArray


@metric(
    "sharpness",
    better="as floor",
    needs="images",
    description="variance of the images' Laplacian: blur has less, noise more",
)
def sharpness(images: FloatArray) -> float:
    """Compute the mean over images of the variance of their Laplacian (Pech-Pacheco et al. 2000).

    Args:
        images: ``(N, C, H, W)``, on any one scale; the metric is proportional to its square.
    """
    wide = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    middle = wide[..., 1:-1, 1:-1]
    around = wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1] + wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]
    return float((around - 4 * middle).var(axis=(1, 2, 3)).mean())
