"""D of sequences: how it learns to tell real ones from generated ones, and what it says of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_cli.algorithms.buffers import RingBuffer
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.gan.statistics import window_metrics
from gan_cli.algorithms.inspection import NetworkState
from gan_cli.algorithms.nonfinite import NonFinitePolicy
from gan_cli.components.optimizers import OptimizerConfig
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.architecture import SequenceDiscriminator

# Updates whose verdicts are kept for a report, at most.
REPORT_CAPACITY = 4096


class SequenceDiscriminatorTrainer:
    """A reader with its optimizer, and what it said while it learnt."""

    def __init__(
        self,
        reader: SequenceDiscriminator,
        optimizer: OptimizerConfig,
        objective: Objective,
        context: Context,
        nonfinite_policy: NonFinitePolicy,
    ) -> None:
        self.reader = reader
        self.optimizer = optimizer.for_discriminator(reader.parameters())
        self.network_state = NetworkState("D", reader, self.optimizer)
        self.norm = torch.zeros((), device=context.device.torch_device)
        self._objective = objective
        self._context = context
        self._nonfinite_policy = nonfinite_policy
        self._half = max(1, context.batch_size // 2)
        self._windows = {
            side: RingBuffer(REPORT_CAPACITY, self._half, context.device.torch_device) for side in ("real", "fake")
        }

    def score(self, sequences: Tensor) -> Tensor:
        """Logits, ``(N,)`` float32, of a reader that takes no chances."""
        self.reader.eval()
        with self._context.device.precision():
            logits: Tensor = self.reader(sequences)
        self.reader.train()
        return logits.float()

    def train_epoch(self, real: Tensor, fake: Tensor, order: torch.Generator) -> None:
        """An epoch over as many real as generated sequences, ``(N, T)`` each, in batches that hold half of either.

        What does not fill a batch is left out.
        """
        half = min(self._half, len(real))
        whole = len(real) // half * half
        places = [torch.randperm(len(real), generator=order)[:whole].to(real.device) for _ in range(2)]
        for of_real, of_fake in zip(*(torch.split(each, half) for each in places), strict=True):
            with self._context.timer("D"):
                with self._context.device.precision():
                    logits = self.reader(torch.cat([real[of_real], fake[of_fake]]))
                on_real, on_fake = logits.float().chunk(2)
                loss = 0.5 * self._objective.d_loss(on_real, on_fake).mean() + self.reader.penalty()
                self.optimizer.differentiate(loss)
            with self._context.timer("optimizer"):
                self._nonfinite_policy.step("D", self.optimizer, loss.detach())
            if half == self._half:
                self._windows["real"].add(on_real[None])
                self._windows["fake"].add(on_fake[None])
        self.norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(self.optimizer.gradients)))

    def metrics(self) -> dict[str, Tensor]:
        """Of what D said of the batches it learnt from since the last call; nothing where it learnt nothing."""
        values = {side: window.values() for side, window in self._windows.items()}
        if not len(values["real"]):
            return {}
        game = {"game_real": values["real"], "game_fake": values["fake"], "penalty": values["real"][:0]}
        metrics = window_metrics(self._objective, values | game)
        for window in self._windows.values():
            window.clear()
        del metrics["loss/g"]  # G learns in ways of its own
        return metrics | {"loss/penalty": self.reader.penalty(), "grad_norm/d": self.norm}

    def state_dict(self) -> dict[str, Any]:
        """Weights, moments, what was said since the last report."""
        return {
            "reader": self.reader.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "windows": {side: window.state_dict() for side, window in self._windows.items()},
            "norm": self.norm.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.reader.load_state_dict(state["reader"])
        self.optimizer.load_state_dict(state["optimizer"])
        for side, window in self._windows.items():
            window.load_state_dict(state["windows"][side])
        self.norm = state["norm"].to(self.norm.device)
