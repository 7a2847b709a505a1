"""How sharp images are: what blurs, as the mean of what a pixel might be does, has no strong edges."""

from __future__ import annotations

import numpy as np

from gan_cli.protocols.arrays import FloatArray


def sharpness(images: FloatArray) -> float:
    """Mean over images of the variance of their Laplacian (Pech-Pacheco et al. 2000).

    Args:
        images: ``(N, C, H, W)``, on any one scale; the figure goes with its square.
    """
    wide = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    middle = wide[..., 1:-1, 1:-1]
    around = wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1] + wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]
    return float((around - 4 * middle).var(axis=(1, 2, 3)).mean())
