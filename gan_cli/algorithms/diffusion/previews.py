"""Samples and previews of a run in training: the reverse process from the run's fixed latents."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.diffusion.panels import frames, trajectories
from gan_cli.algorithms.diffusion.reverse import ReverseProcess
from gan_cli.algorithms.diffusion.sampling import draw_samples, latents_of, noise_of_block
from gan_cli.algorithms.previews import LabelGrid, draw_labels, plane_around, preview_latents
from gan_cli.protocols.algorithm import Panel, Preview
from gan_cli.protocols.arrays import FloatArray
from gan_cli.runtime.rng import SeededStream

# Samples whose way from noise a panel shows: images, and points.
SHOWN_IMAGES, SHOWN_POINTS = 8, 250


class PreviewSampler:
    """Draws samples of a run in training; in a grid of classes, with one row a class."""

    def __init__(self, context: Context, process: ReverseProcess) -> None:
        self._context = context
        self._process = process
        self._grid = LabelGrid.of(context)
        self._labels = None if self._grid is None else self._grid.labels

    def preview(self) -> Preview:
        """Return samples from the run's fixed latents, and the reverse process of some. Waits for the device."""
        context = self._context
        latents = preview_latents(context, self._grid, math.prod(context.shape))
        samples = draw_samples(self._process, context.shape, context.seed, latents, self._labels)
        return Preview(
            samples.numpy(),
            plane_around(context, samples),
            None if self._grid is None else self._grid.columns,
            row_names=() if self._grid is None else self._grid.names,
            row_noun="class" if self._grid is None else self._grid.noun,
            panels={"reverse": self._panel(latents)} if context.table is None else {},
            table=context.table,
        )

    def draw(self, count: int) -> FloatArray:
        """Draw ``(count, *shape)`` from latents of the run's seed, classes as frequent as in the data."""
        context, labels = self._context, draw_labels(self._context, count)
        latents = latents_of(context.seed, count, context.shape)
        drawn: FloatArray = draw_samples(self._process, context.shape, context.seed, latents, labels).numpy()
        return drawn

    def _panel(self, latents: Tensor) -> Panel:
        context, points = self._context, len(self._context.shape) == 1
        count = min(len(latents), SHOWN_POINTS if points else SHOWN_IMAGES)
        chosen = torch.arange(count) * len(latents) // count  # of all classes, where there are classes
        device = context.device.torch_device
        start = latents[chosen].view(count, *context.shape).to(device)
        labels = None if self._labels is None else self._labels[chosen].to(device)
        draw = noise_of_block(SeededStream(context.seed, "reverse process shown", torch.device("cpu")))
        states = [start, *self._process.trajectory(start, labels, draw)]
        return trajectories(states) if points else frames(states)
