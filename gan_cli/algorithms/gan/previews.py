"""Previews of a GAN: samples from fixed latents, and D's scores over the plane where the data are points."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.previews import LabelGrid, draw_labels, plane_around, preview_latents, to_numpy
from gan_cli.architectures.blocks import evaluation_mode
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.algorithm import Plane, Preview, Surface
from gan_cli.protocols.arrays import FloatArray
from gan_cli.runtime.rng import BLOCK, fixed_latents

SURFACE_RESOLUTION = 64


class PreviewSampler:
    """Samples from the run's fixed latents and, where there are labels, fixed ones: one row of the grid a class."""

    def __init__(self, context: Context, latent_dim: int) -> None:
        self._context = context
        self._device = context.device
        self._latent_dim = latent_dim
        self._grid = grid = LabelGrid.of(context)
        inputs = [preview_latents(context, grid, latent_dim), *([] if grid is None else [grid.labels])]
        self._inputs = [each.to(self._device.torch_device) for each in inputs]

    def preview(self, generator: nn.Module, discriminator: nn.Module, objective: Objective) -> Preview:
        """Return samples of G and, where they are points, D's scores over the plane. Waits for the device.

        A D that is conditional has other scores for each label: those are not shown.
        """
        with self._device.precision():
            samples: Tensor = generator(*self._inputs)
        grid, plane = self._grid, plane_around(self._context, samples)
        return Preview(
            to_numpy(samples),
            plane if plane is None or grid is not None else self._with_scores(plane, discriminator, objective),
            None if grid is None else grid.columns,
            row_names=() if grid is None else grid.names,
            row_noun="class" if grid is None else grid.noun,
            table=self._context.table,
        )

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

    def _with_scores(self, plane: Plane, discriminator: nn.Module, objective: Objective) -> Plane:
        """Add D's scores over the plane. Waits for the device."""
        ticks = torch.linspace(-plane.extent, plane.extent, SURFACE_RESOLUTION, device=self._device.torch_device)
        y, x = torch.meshgrid(ticks.flip(0), ticks, indexing="ij")
        mesh = torch.stack([x.flatten(), y.flatten()], dim=1)
        # Each pack consists of a point of the mesh and of real points.
        rest_of_pack = torch.from_numpy(plane.real).to(mesh)[: self._context.pac - 1].flatten().expand(len(mesh), -1)
        # In evaluation mode, so that neither running statistics nor power iterations change.
        with evaluation_mode(discriminator), self._device.precision():
            logits = discriminator(torch.cat([mesh, rest_of_pack], dim=1)).float()
        scores = objective.score(logits).reshape(x.shape)
        limits: tuple[float, float] | None = getattr(objective, "score_limits", None)
        return replace(plane, surface=Surface(scores.cpu().numpy(), objective.score_name, limits))
