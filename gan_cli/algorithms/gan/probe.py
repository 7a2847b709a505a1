"""Diagnostics of both networks on probe batches, between two updates and without side effects on training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.gan.discriminator import DiscriminatorPipeline
from gan_cli.diagnostics.statistics import diversity_metrics, effective_mode_share, gradient_metrics
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.data import Batch
from gan_cli.runtime.rng import RandomState, seeded_generator

# Fewer samples have too few pairwise distances for the diversity metrics.
MIN_SAMPLES = 4


class DiscriminatorProbe:
    """Computes diagnostics of D and G on probe batches, which are a function of the step alone."""

    def __init__(
        self,
        context: Context,
        generator: nn.Module,
        pipeline: DiscriminatorPipeline,
        objective: Objective,
        latent_dim: int,
    ) -> None:
        self._context = context
        self._generator = generator
        self._pipeline = pipeline
        self._objective = objective
        self._latent_dim = latent_dim
        self._random = RandomState(context.device.torch_device)
        available = 0 if context.probe_batches is None else min(context.probe_samples, context.probe_batches.available)
        self._count = available // context.pac * context.pac  # whole packs

    @torch.no_grad()
    def metrics(self, step: int) -> dict[str, Tensor]:
        """Return tag -> 0-dimensional tensor on the device; empty where there are too few probe samples.

        The networks stay in training mode, because it is there that G's gradient is computed.
        """
        probe_batches = self._context.probe_batches
        if probe_batches is None or self._count < MIN_SAMPLES:
            return {}
        train, heldout = (probe_batches.train(self._count, step), probe_batches.heldout(self._count, step))
        with self._without_side_effects(step):
            fake = self._sample_generator(heldout, step)
            train_logits, heldout_logits = self._score(train, heldout).chunk(2)
            metrics, fake_logits = gradient_metrics(
                self._objective,
                lambda samples: self._pipeline(samples, heldout.labels),
                fake,
                heldout_logits,
            )
        on_train, on_heldout = (
            self._objective.divergence(real, fake_logits) for real in (train_logits, heldout_logits)
        )
        metrics[f"divergence/{self._objective.divergence_name}_held_out"] = on_heldout
        metrics["diagnosis/held_out_gap"] = on_train - on_heldout
        metrics |= diversity_metrics(train.samples, heldout.samples, fake)
        if self._context.centres is not None:
            metrics["diagnosis/modes"] = effective_mode_share(fake.float(), self._context.centres)
        return metrics

    def _sample_generator(self, like: Batch, step: int) -> Tensor:
        """Samples of G itself, not of its moving average: D is trained against these."""
        device = self._context.device
        stream = seeded_generator(self._context.seed, f"checkup {step}", device.torch_device)
        z = torch.randn(self._count, self._latent_dim, generator=stream, device=device.torch_device)
        with device.precision():
            fake: Tensor = self._generator(z) if like.labels is None else self._generator(z, like.labels)
        return fake

    def _score(self, first: Batch, second: Batch) -> Tensor:
        """Logits of two batches, concatenated."""
        samples = [self._context.device.layout(batch.samples) for batch in (first, second)]
        labels = [batch.labels for batch in (first, second) if batch.labels is not None]
        return self._pipeline(torch.cat(samples), torch.cat(labels) if labels else None, batches=2)

    @contextlib.contextmanager
    def _without_side_effects(self, step: int) -> Iterator[None]:
        """Restore running statistics, power iterations and random streams at the end."""
        buffers = [*self._generator.buffers(), *self._pipeline.network.buffers()]
        saved, random = [buffer.clone() for buffer in buffers], self._random.state_dict()
        try:
            with self._pipeline.isolated(self._context.seed, f"checkup {step}"):
                yield
        finally:
            self._random.load_state_dict(random)
            for buffer, value in zip(buffers, saved, strict=True):
                buffer.copy_(value)
