"""Previews of a GAN: samples from fixed latents, and D's scores over the plane where the data are points."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.previews import ClassGrid, draw_labels, preview_latents, to_numpy
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.algorithm import Preview, Surface
from gan_cli.protocols.arrays import FloatArray
from gan_cli.runtime.rng import BLOCK, fixed_latents

SURFACE_RESOLUTION = 64


class PreviewSampler:
    """Samples from the run's fixed latents and, where there are classes, fixed labels: one row of the grid a class."""

    def __init__(self, context: Context, latent_dim: int) -> None:
        self._context = context
        self._device = context.device
        self._latent_dim = latent_dim
        self._grid = grid = ClassGrid.of(context)
        inputs = [preview_latents(context, grid, latent_dim), *([] if grid is None else [grid.labels])]
        self._inputs = [each.to(self._device.torch_device) for each in inputs]

    def preview(self, generator: nn.Module, discriminator: nn.Module, objective: Objective) -> Preview:
        """Return samples of G and, where they are points, D's scores over the plane. Waits for the device."""
        with self._device.precision():
            samples: Tensor = generator(*self._inputs)
        points = self._context.points
        surface = None if points is None else self._surface(samples, points, discriminator, objective)
        return Preview(to_numpy(samples), surface, None if self._grid is None else self._grid.columns)

    def draw(self, generator: nn.Module, count: int) -> FloatArray:
        """Draw ``(count, *shape)`` samples from latents of the run's seed, classes as frequent as in the data."""
        context, device = self._context, self._device.torch_device
        inputs = [fixed_latents(context.seed, count, self._latent_dim)]
        labels = draw_labels(context, count)
        if labels is not None:
            inputs.append(labels)
        blocks = zip(*(torch.split(each, BLOCK) for each in inputs), strict=True)
        with self._device.precision():
            parts = [generator(*(each.to(device) for each in block)).float().cpu() for block in blocks]
        drawn: FloatArray = torch.cat(parts).numpy()
        return drawn

    def _surface(self, samples: Tensor, points: FloatArray, discriminator: nn.Module, objective: Objective) -> Surface:
        """D's scores over a square with all real points and, up to twice their extent, all generated ones."""
        reach = float(np.abs(points).max())
        extent = 1.15 * min(max(reach, float(samples.abs().max())), 2 * reach)
        ticks = torch.linspace(-extent, extent, SURFACE_RESOLUTION, device=self._device.torch_device)
        y, x = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")
        mesh = torch.stack([x.flatten(), y.flatten()], dim=1)
        # Each pack consists of a point of the mesh and of real points.
        rest_of_pack = torch.from_numpy(points).to(mesh)[: self._context.pac - 1].flatten().expand(len(mesh), -1)
        # In evaluation mode, so that neither running statistics nor power iterations change.
        discriminator.eval()
        with self._device.precision():
            logits = discriminator(torch.cat([mesh, rest_of_pack], dim=1)).float()
        discriminator.train()
        scores = objective.score(logits).reshape(x.shape)
        return Surface(scores.cpu().numpy(), points, extent)
