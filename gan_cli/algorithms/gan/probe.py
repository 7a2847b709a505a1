"""Diagnostics of both networks on probe batches, between two updates and without side effects on training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.gan.discriminator import DiscriminatorPipeline
from gan_cli.algorithms.micro_batches import chunk_rows, join_rows
from gan_cli.diagnostics.statistics import (
    diversity_metrics,
    effective_mode_share,
    gradient_metrics,
    input_gradient_norms,
)
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.data import Batch
from gan_cli.runtime.rng import RandomState, seeded_generator

# Fewer samples have too few pairwise distances for the diversity metrics.
MIN_SAMPLES = 4


@dataclass(frozen=True)
class _Scored:
    """Generated samples, D's logits of them and of real ones, and its gradients at the generated ones.

    Attributes:
        fake: ``(N, *shape)``.
        train_logits: ``(N / pac,)``, of samples that D trains on.
        heldout_logits: ``(N / pac,)``, of samples that it does not.
        gradient_norms: ``(N / pac,)``, of each logit with respect to its generated sample.
        fake_logits: ``(N / pac,)``.
    """

    fake: Tensor
    train_logits: Tensor
    heldout_logits: Tensor
    gradient_norms: Tensor
    fake_logits: Tensor


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
        at_once = context.samples_at_once if context.micro_batches.count > 1 else available
        self._parts = max(1, available // at_once) if available else 1
        # Whole micro-batches, or fewer samples than one; and whole packs.
        self._count = self._parts * (min(available, at_once) // context.pac * context.pac)

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
            scored = join_rows(list(self._score_parts(train, heldout, step)))
        metrics = gradient_metrics(self._objective, scored.gradient_norms, scored.fake_logits, scored.heldout_logits)
        on_train, on_heldout = (
            self._objective.divergence(real, scored.fake_logits)
            for real in (scored.train_logits, scored.heldout_logits)
        )
        metrics[f"divergence/{self._objective.divergence_name}_held_out"] = on_heldout
        metrics["diagnosis/held_out_gap"] = on_train - on_heldout
        metrics |= diversity_metrics(train.samples, heldout.samples, scored.fake)
        if self._context.centres is not None:
            metrics["diagnosis/modes"] = effective_mode_share(scored.fake.float(), self._context.centres)
        return metrics

    def _score_parts(self, train: Batch, heldout: Batch, step: int) -> Iterator[_Scored]:
        """Generate samples, and score them and real ones, as many at once as in training."""
        parts, device = self._parts, self._context.device.torch_device
        stream = seeded_generator(self._context.seed, f"checkup {step}", device)
        z = torch.randn(self._count, self._latent_dim, generator=stream, device=device)
        for train_part, heldout_part, latents in zip(
            chunk_rows(train, parts), chunk_rows(heldout, parts), chunk_rows(z, parts), strict=True
        ):
            fake = self._generate(latents, heldout_part.labels)
            train_logits, heldout_logits = self._score(train_part, heldout_part).chunk(2)
            critic = partial(self._pipeline, labels=heldout_part.labels)
            yield _Scored(fake, train_logits, heldout_logits, *input_gradient_norms(critic, fake))

    def _generate(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Samples of G itself, not of its moving average: D is trained against these."""
        with self._context.device.precision():
            fake: Tensor = self._generator(latents) if labels is None else self._generator(latents, labels)
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
