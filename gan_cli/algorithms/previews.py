"""Parts that the previews of all families share: the grid of labels, fixed latents and labels, and arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gan_cli.algorithms.context import Context
from gan_cli.protocols.algorithm import Plane
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.conditions import ConditionKind, VectorCondition
from gan_cli.runtime.rng import fixed_latents, seeded_generator

# Points of a preview for each image that a grid would have: a scatter plot takes more samples than a grid.
POINTS_PER_IMAGE = 16


@dataclass(frozen=True)
class LabelGrid:
    """A grid of samples over what they are conditional on, of about as many samples as a preview has.

    Of classes, and of several at once, each row shows one, with the same latents in each; of numbers each row is one
    latent, and goes over the range of a number, the others in the middle of theirs.

    Attributes:
        rows: number of rows.
        columns: samples in a row.
        labels: ``(rows columns,)`` int64 or ``(rows columns, K)`` float32, row by row, on the CPU.
        latents: ``(rows columns,)`` int64, which of the run's latents each sample is of.
        names: of the rows.
        noun: word for what each row shows.
    """

    rows: int
    columns: int
    labels: Tensor
    latents: Tensor
    names: Sequence[str]
    noun: str = "class"

    @classmethod
    def of(cls, context: Context) -> LabelGrid | None:
        """Return the grid of a run's previews; None where it is unconditional."""
        condition, count = context.condition, context.sample_count * _samples_per_image(context)
        if isinstance(condition, VectorCondition):
            several = condition.kind is ConditionKind.several
            return cls._of_several(condition, count) if several else cls._of_numbers(condition, count)
        if condition == 0:
            return None
        rows = min(condition, count)
        names = context.class_names[:rows] or [f"class {label}" for label in range(rows)]
        return cls._of_rows(torch.arange(rows), count, names)

    @classmethod
    def _of_several(cls, condition: VectorCondition, count: int) -> LabelGrid:
        rows = min(condition.size, count)
        return replace(cls._of_rows(torch.eye(condition.size)[:rows], count, condition.names[:rows]), noun="label")

    @classmethod
    def _of_rows(cls, labels: Tensor, count: int, names: Sequence[str]) -> LabelGrid:
        """Return a grid of which each row has one of the labels ``(rows,)`` or ``(rows, K)``."""
        rows, columns = len(labels), max(1, count // len(labels))
        return cls(rows, columns, labels.repeat_interleave(columns, 0), torch.arange(columns).repeat(rows), names)

    @classmethod
    def _of_numbers(cls, condition: VectorCondition, count: int) -> LabelGrid:
        columns = max(1, math.isqrt(count))
        rows = max(1, count // columns)
        low, high = torch.tensor(condition.ranges, dtype=torch.float32).unbind(1)
        labels = ((low + high) / 2).repeat(rows, columns, 1)
        shown = [row % condition.size for row in range(rows)]
        for row, component in enumerate(shown):
            labels[row, :, component] = torch.linspace(*condition.ranges[component], columns)
        latents = torch.tensor([row // condition.size for row in range(rows)]).repeat_interleave(columns)
        names = [_range_name(condition, each) for each in shown]
        return cls(rows, columns, labels.flatten(0, 1), latents, names, "number over its range")


def _range_name(condition: VectorCondition, component: int) -> str:
    low, high = condition.ranges[component]
    return f"{condition.names[component]} {low:.3g} to {high:.3g}"


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


def preview_latents(context: Context, grid: LabelGrid | None, latent_dim: int) -> Tensor:
    """Return the latents ``(N, latent_dim)`` of a run's previews, on the CPU."""
    if grid is not None:
        return fixed_latents(context.seed, int(grid.latents.max()) + 1, latent_dim)[grid.latents]
    return fixed_latents(context.seed, context.sample_count * _samples_per_image(context), latent_dim)


def _samples_per_image(context: Context) -> int:
    return POINTS_PER_IMAGE if len(context.shape) == 1 else 1


def draw_labels(context: Context, count: int) -> Tensor | None:
    """Draw labels of the data with the run's seed, on the CPU: ``(count,)`` or ``(count, K)``; None without labels."""
    if context.labels is None:
        return None
    stream = seeded_generator(context.seed, "labels drawn", torch.device("cpu"))
    return torch.from_numpy(context.labels)[torch.randint(len(context.labels), (count,), generator=stream)]


def to_numpy(samples: Tensor) -> FloatArray:
    """Copy samples to a float32 array of the same shape. Waits for the device."""
    array: FloatArray = samples.float().cpu().numpy()
    return array
