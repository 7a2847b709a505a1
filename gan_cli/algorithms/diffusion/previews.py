"""Samples and previews of a run in training: the reverse process from the run's fixed latents."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.diffusion.panels import frames, trajectories
from gan_cli.algorithms.diffusion.reverse import ReverseProcess
from gan_cli.algorithms.diffusion.sampling import draw_samples, latents_of, noise_of_block
from gan_cli.protocols.algorithm import Panel, Preview
from gan_cli.protocols.arrays import FloatArray
from gan_cli.runtime.rng import SeededStream, seeded_generator

# Points of a preview, for each image that a grid would have.
POINTS_PER_IMAGE = 16
# Samples whose way from noise a panel shows: images, and points.
SHOWN_IMAGES, SHOWN_POINTS = 8, 250


class PreviewSampler:
    """Draws samples of a run in training; in a grid of classes, with one row a class."""

    def __init__(self, context: Context, process: ReverseProcess) -> None:
        self._context = context
        self._process = process
        self._columns, self._labels = _grid_of_classes(context)

    def preview(self) -> Preview:
        """Return samples from the run's fixed latents, and the reverse process of some. Waits for the device."""
        context, latents = self._context, self._latents()
        samples = draw_samples(self._process, context.shape, context.seed, latents, self._labels)
        return Preview(samples.numpy(), columns=self._columns, panels={"reverse": self._panel(latents)})

    def draw(self, count: int) -> FloatArray:
        """Draw ``(count, *shape)`` from latents of the run's seed, classes as frequent as in the data."""
        context, labels = self._context, None
        if context.labels is not None:
            stream = seeded_generator(context.seed, "labels drawn", torch.device("cpu"))
            labels = torch.from_numpy(context.labels)[torch.randint(len(context.labels), (count,), generator=stream)]
        latents = latents_of(context.seed, count, context.shape)
        drawn: FloatArray = draw_samples(self._process, context.shape, context.seed, latents, labels).numpy()
        return drawn

    def _latents(self) -> Tensor:
        """Return latents ``(M, D)`` of a preview; in a grid of classes each column shares one."""
        context = self._context
        if self._labels is not None and self._columns is not None:
            return latents_of(context.seed, self._columns, context.shape).repeat(len(self._labels) // self._columns, 1)
        per_image = POINTS_PER_IMAGE if len(context.shape) == 1 else 1
        return latents_of(context.seed, context.sample_count * per_image, context.shape)

    def _panel(self, latents: Tensor) -> Panel:
        context, points = self._context, len(self._context.shape) == 1
        count = min(len(latents), SHOWN_POINTS if points else SHOWN_IMAGES)
        chosen = torch.arange(count) * len(latents) // count  # of all classes, where there are classes
        device = context.device.torch_device
        start = latents[chosen].view(count, *context.shape).to(device)
        labels = None if self._labels is None else self._labels[chosen].to(device)
        draw = noise_of_block(SeededStream(context.seed, "reverse process shown", device))
        states = [start, *self._process.trajectory(start, labels, draw)]
        return trajectories(states) if points else frames(states)


def _grid_of_classes(context: Context) -> tuple[int | None, Tensor | None]:
    """Columns of the preview's grid and the label of each of its samples: one row a class, as many as fit."""
    if context.classes == 0:
        return None, None
    rows = min(context.classes, context.sample_count)
    columns = max(1, context.sample_count // rows)
    return columns, torch.arange(rows).repeat_interleave(columns)
