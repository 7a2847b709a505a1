"""A look at both networks between two updates that leaves no trace: what ``diagnostics/`` wants to know of a game."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.gan.discriminator import Judge
from gan_cli.diagnostics.statistics import diversity_figures, filled_modes, gradient_figures
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.data import Batch
from gan_cli.runtime.rng import RandomState, seeded_generator

# Fewer samples than these have no distances to speak of.
FEWEST = 4


class Checkup:
    """Judges samples that the networks do not learn from; which ones is a function of the step alone."""

    def __init__(
        self, context: Context, generator: nn.Module, judge: Judge, objective: Objective, latent_dim: int
    ) -> None:
        self._context = context
        self._generator = generator
        self._judge = judge
        self._objective = objective
        self._latent_dim = latent_dim
        self._random = RandomState(context.device.torch_device)
        there = 0 if context.specimens is None else min(context.examined, context.specimens.most)
        self._count = there // context.pac * context.pac  # whole packs

    @torch.no_grad()
    def figures(self, step: int) -> dict[str, Tensor]:
        """Tag -> 0-dimensional tensor on the device; nothing where nothing is to be looked at.

        The networks are looked at as they train, in training mode: it is there that G's gradient comes from.
        """
        specimens = self._context.specimens
        if specimens is None or self._count < FEWEST:
            return {}
        trained, held = (specimens.trained(self._count, step), specimens.held_out(self._count, step))
        with self._untouched(step):
            fake = self._generated(held, step)
            on_trained, on_held = self._judged(trained, held).chunk(2)
            figures, on_fake = gradient_figures(
                self._objective, lambda packs: self._judge(packs, held.labels), self._judge.pack(fake), on_held
            )
        known, unknown = (self._objective.divergence(real, on_fake) for real in (on_trained, on_held))
        figures[f"divergence/{self._objective.divergence_name}_held_out"] = unknown
        figures["diagnosis/held_out_gap"] = known - unknown
        figures |= diversity_figures(trained.samples, held.samples, fake)
        if self._context.centres is not None:
            figures["diagnosis/modes"] = filled_modes(fake.float(), self._context.centres)
        return figures

    def _generated(self, like: Batch, step: int) -> Tensor:
        """Samples of G as it is, not of its average: it is what D fights."""
        device = self._context.device
        stream = seeded_generator(self._context.seed, f"checkup {step}", device.torch_device)
        z = torch.randn(self._count, self._latent_dim, generator=stream, device=device.torch_device)
        with device.precision():
            fake: Tensor = self._generator(z) if like.labels is None else self._generator(z, like.labels)
        return fake

    def _judged(self, first: Batch, second: Batch) -> Tensor:
        """Logits of two batches, one behind the other."""
        packs = [self._judge.pack(self._context.device.layout(batch.samples)) for batch in (first, second)]
        labels = [batch.labels for batch in (first, second) if batch.labels is not None]
        return self._judge(torch.cat(packs), torch.cat(labels) if labels else None, batches=2)

    @contextlib.contextmanager
    def _untouched(self, step: int) -> Iterator[None]:
        """Put running statistics, power iterations and random streams back to where they were."""
        buffers = [*self._generator.buffers(), *self._judge.network.buffers()]
        before, random = [buffer.clone() for buffer in buffers], self._random.state_dict()
        try:
            with self._judge.aside(self._context.seed, f"checkup {step}"):
                yield
        finally:
            self._random.load_state_dict(random)
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)
