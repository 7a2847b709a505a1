"""Training of the discriminator of sequences, and its logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gan_cli.algorithms.buffers import RingBuffer
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.gan.statistics import logit_metrics
from gan_cli.algorithms.inspection import NetworkState
from gan_cli.algorithms.update_scope import StepScope
from gan_cli.components.optimizers import OptimizerConfig
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.architecture import SequenceDiscriminator
from gan_cli.runtime.transfer import move_without_waiting

# Most updates whose logits are kept for a report.
REPORT_CAPACITY = 4096


def logit_buffers(context: Context) -> dict[str, RingBuffer]:
    """Return ring buffers for D's logits of the real and of the generated half of its batches."""
    width, device = _half_batch(context), context.device.torch_device
    return {side: RingBuffer(REPORT_CAPACITY, width, device) for side in ("real", "fake")}


def _half_batch(context: Context) -> int:
    return max(1, context.batch_size // 2)


class SequenceDiscriminatorTrainer:
    """Trains D on real and generated sequences, and keeps its logits for a report."""

    def __init__(
        self,
        discriminator: SequenceDiscriminator,
        optimizer: OptimizerConfig,
        objective: Objective,
        step_scope: StepScope,
        ring_buffers: Mapping[str, RingBuffer],
    ) -> None:
        """Build the optimizer of the discriminator.

        Args:
            discriminator: D, on its device.
            optimizer: its settings.
            objective: defines D's loss.
            step_scope: of the training steps.
            ring_buffers: those of :func:`logit_buffers`, among those of ``step_scope``.
        """
        context = step_scope.context
        self.discriminator = discriminator
        self.optimizer = optimizer.for_discriminator(discriminator.parameters())
        self.network_state = NetworkState("D", discriminator, self.optimizer)
        self.norm = torch.zeros((), device=context.device.torch_device)
        self._objective = objective
        self._context = context
        self._scope = step_scope.update_scope("D", self.optimizer)
        self._ring_buffers = ring_buffers
        self._half = _half_batch(context)

    def score(self, sequences: Tensor) -> Tensor:
        """Return D's logits, ``(N,)`` float32, in evaluation mode: without dropout."""
        self.discriminator.eval()
        with self._context.device.precision():
            logits: Tensor = self.discriminator(sequences)
        self.discriminator.train()
        return logits.float()

    def train_epoch(self, real: Tensor, fake: Tensor, order: torch.Generator) -> None:
        """Train D for an epoch over as many real as generated sequences, ``(N, T)`` each.

        Half of each batch is real, half generated; an incomplete last batch is dropped.
        """
        half = min(self._half, len(real))
        used = len(real) // half * half
        orders = [torch.randperm(len(real), generator=order)[:used] for _ in range(2)]
        rows_by_batch = [torch.split(move_without_waiting(each, real.device), half) for each in orders]
        for real_rows, fake_rows in zip(*rows_by_batch, strict=True):
            with self._scope as scope:
                with self._context.device.precision():
                    logits = self.discriminator(torch.cat([real[real_rows], fake[fake_rows]]))
                real_logits, fake_logits = logits.float().chunk(2)
                loss = 0.5 * self._objective.d_loss(real_logits, fake_logits).mean() + self.discriminator.penalty()
                rows = {"real": real_logits, "fake": fake_logits} if half == self._half else {}
                scope.step(loss, **rows)
        self.norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(self.optimizer.present_gradients)))

    def metrics(self) -> dict[str, Tensor]:
        """Compute metrics of D's logits of its training batches since the last call; empty if there were none."""
        values = {side: ring_buffer.values() for side, ring_buffer in self._ring_buffers.items()}
        if not len(values["real"]):
            return {}
        stand_ins = {"game_real": values["real"], "game_fake": values["fake"], "penalty": values["real"][:0]}
        metrics = logit_metrics(self._objective, values | stand_ins)
        for ring_buffer in self._ring_buffers.values():
            ring_buffer.clear()
        del metrics["loss/g"]  # G has another loss here
        return metrics | {"loss/penalty": self.discriminator.penalty(), "grad_norm/d": self.norm}

    def state_dict(self) -> dict[str, Any]:
        """Return weights, moments, and logits since the last report."""
        return {
            "reader": self.discriminator.state_dict(),  # key kept for checkpoints of earlier versions
            "optimizer": self.optimizer.state_dict(),
            # key kept for checkpoints of earlier versions
            "windows": {side: ring_buffer.state_dict() for side, ring_buffer in self._ring_buffers.items()},
            "norm": self.norm.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.discriminator.load_state_dict(state["reader"])
        self.optimizer.load_state_dict(state["optimizer"])
        for side, ring_buffer in self._ring_buffers.items():
            ring_buffer.load_state_dict(state["windows"][side])
        self.norm = state["norm"].to(self.norm.device)
