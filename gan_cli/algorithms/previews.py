"""Parts that the previews of all families share: the grid of classes, fixed latents and labels, and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan_cli.algorithms.context import Context
from gan_cli.protocols.algorithm import Plane
from gan_cli.protocols.arrays import FloatArray
from gan_cli.runtime.rng import fixed_latents, seeded_generator

# Points of a preview for each image that a grid would have: a scatter plot takes more samples than a grid.
POINTS_PER_IMAGE = 16


@dataclass(frozen=True)
class ClassGrid:
    """A grid of samples with one row a class, as many classes as there are samples in a preview.

    Attributes:
        rows: number of classes that are shown.
        columns: samples of each class.
        labels: ``(rows columns,)`` int64, row by row, on the CPU.
        names: of the rows: the name of each class, or its number.
    """

    rows: int
    columns: int
    labels: Tensor
    names: Sequence[str]

    @classmethod
    def of(cls, context: Context) -> ClassGrid | None:
        """Return the grid of a run's previews; None where there are no classes."""
        if context.classes == 0:
            return None
        rows = min(context.classes, context.sample_count)
        columns = max(1, context.sample_count // rows)
        names = context.class_names[:rows] or [f"class {label}" for label in range(rows)]
        return cls(rows, columns, torch.arange(rows).repeat_interleave(columns), names)


def plane_around(context: Context, samples: Tensor) -> Plane | None:
    """Return the part of the plane with all real points and, up to twice their extent, all samples ``(N, 2)``.

    None where the data are no points.
    """
    points = context.points
    if points is None:
        return None
    reach = float(np.abs(points).max())
    extent = 1.15 * min(max(reach, float(samples.abs().max())), 2 * reach)
    return Plane(points, extent, axes=context.axes)


def preview_latents(context: Context, grid: ClassGrid | None, latent_dim: int) -> Tensor:
    """Return the latents ``(N, latent_dim)`` of a run's previews, on the CPU; in a grid each column shares one."""
    if grid is not None:
        return fixed_latents(context.seed, grid.columns, latent_dim).repeat(grid.rows, 1)
    per_image = POINTS_PER_IMAGE if len(context.shape) == 1 else 1
    return fixed_latents(context.seed, context.sample_count * per_image, latent_dim)


def draw_labels(context: Context, count: int) -> Tensor | None:
    """Draw labels ``(count,)`` with the run's seed, as frequent as in the data, on the CPU; None without classes."""
    if context.labels is None:
        return None
    stream = seeded_generator(context.seed, "labels drawn", torch.device("cpu"))
    return torch.from_numpy(context.labels)[torch.randint(len(context.labels), (count,), generator=stream)]


def to_numpy(samples: Tensor) -> FloatArray:
    """Copy samples to a float32 array of the same shape. Waits for the device."""
    array: FloatArray = samples.float().cpu().numpy()
    return array
