"""Pictures of a latent space: inverted pictures, strips along directions, samples beside training pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from gan_cli.inference.label_text import GridWords
from gan_cli.protocols.arrays import DoubleArray, FloatArray
from gan_cli.storage.deep_png import DeepImage
from gan_cli.telemetry.labelled_grid import labelled_grid


def inversion_figure(
    targets: FloatArray,
    reconstructions: FloatArray,
    distances: FloatArray,
    names: Sequence[str],
    dtype: np.dtype[Any],
) -> Image.Image | DeepImage:
    """Draw each picture beside its reconstruction and their absolute difference, black where they are equal.

    Args:
        targets: ``(N, C, H, W)`` in [-1, 1].
        reconstructions: of the same shape.
        distances: ``(N,)``.
        names: of the pictures.
        dtype: type of the pixels.
    """
    errors = np.abs(targets - reconstructions) - 1
    tiles = np.stack([targets, reconstructions, errors], axis=1).reshape(-1, *targets.shape[1:])
    words = GridWords(
        caption=("rows: root mean square error, and the picture",),
        columns=("picture", "found", "error"),
        rows=tuple(f"{distance:.3f}  {name}" for distance, name in zip(distances, names, strict=True)),
    )
    return labelled_grid(tiles, 3, words, dtype)


def strips_figure(
    samples: FloatArray, shares: FloatArray, positions: Sequence[float], about: str, dtype: np.dtype[Any]
) -> Image.Image | DeepImage:
    """Draw one strip of samples for each direction.

    Args:
        samples: ``(k * P, C, H, W)``, P positions along the first direction, then along the next.
        shares: ``(k,)``, of each direction.
        positions: the P positions, in standard deviations.
        about: what the sample in the middle is.
        dtype: type of the pixels.
    """
    words = GridWords(
        caption=(f"principal directions of {about}, in standard deviations",),
        rows=tuple(f"{number}: {share:.1%}" for number, share in enumerate(shares, 1)),
        columns=tuple("0" if position == 0 else f"{position:+g}" for position in positions),
    )
    return labelled_grid(samples, len(positions), words, dtype)


def neighbours_figure(
    samples: FloatArray,
    neighbours: FloatArray,
    distances: DoubleArray,
    names: Sequence[str],
    dtype: np.dtype[Any],
) -> Image.Image | DeepImage:
    """Draw a sample in each row, then the training pictures that are nearest to it, with their distances.

    Args:
        samples: ``(N, C, H, W)`` in [-1, 1].
        neighbours: ``(N, k, C, H, W)``.
        distances: ``(N, k)``.
        names: of the samples, or empty.
        dtype: type of the pixels.
    """
    gap = np.ones_like(samples[:, None])  # white
    tiles = np.concatenate([samples[:, None], gap, neighbours], axis=1)
    words = GridWords(
        caption=("each row: a sample, then the training pictures nearest to it",),
        rows=tuple(names),
        tiles=tuple(text for row in distances for text in ("sample", "", *(f"{each:.3f}" for each in row))),
    )
    return labelled_grid(tiles.reshape(-1, *samples.shape[1:]), tiles.shape[1], words, dtype)
