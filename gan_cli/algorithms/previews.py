"""Parts that the previews of all families share: the grid of classes, fixed latents and labels, and arrays."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gan_cli.algorithms.context import Context
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
    """

    rows: int
    columns: int
    labels: Tensor

    @classmethod
    def of(cls, context: Context) -> ClassGrid | None:
        """Return the grid of a run's previews; None where there are no classes."""
        if context.classes == 0:
            return None
        rows = min(context.classes, context.sample_count)
        columns = max(1, context.sample_count // rows)
        return cls(rows, columns, torch.arange(rows).repeat_interleave(columns))


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
