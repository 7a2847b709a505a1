"""D of sequences: how it learns to tell real ones from generated ones, and what it says of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_cli.algorithms.buffers import Window
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.gan.statistics import window_figures
from gan_cli.algorithms.inspection import Player
from gan_cli.algorithms.nonfinite import Soundness
from gan_cli.components.optimizers import Recipe
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.architecture import Reader

# Updates whose verdicts are kept for a report, at most.
KEPT = 4096


class Examiner:
    """A reader with its optimizer, and what it said while it learnt."""

    def __init__(
        self, reader: Reader, optimizer: Recipe, objective: Objective, context: Context, soundness: Soundness
    ) -> None:
        self.reader = reader
        self.optimizer = optimizer.for_discriminator(reader.parameters())
        self.player = Player("D", reader, self.optimizer)
        self.norm = torch.zeros((), device=context.device.torch_device)
        self._objective = objective
        self._context = context
        self._soundness = soundness
        self._half = max(1, context.batch_size // 2)
        self._windows = {side: Window(KEPT, self._half, context.device.torch_device) for side in ("real", "fake")}

    def judge(self, sequences: Tensor) -> Tensor:
        """Logits, ``(N,)`` float32, of a reader that takes no chances."""
        self.reader.eval()
        with self._context.device.precision():
            logits: Tensor = self.reader(sequences)
        self.reader.train()
        return logits.float()

    def learn(self, real: Tensor, fake: Tensor, order: torch.Generator) -> None:
        """An epoch over as many real as generated sequences, ``(N, T)`` each, in batches that hold half of either.

        What does not fill a batch is left out.
        """
        half = min(self._half, len(real))
        whole = len(real) // half * half
        places = [torch.randperm(len(real), generator=order)[:whole].to(real.device) for _ in range(2)]
        for of_real, of_fake in zip(*(torch.split(each, half) for each in places), strict=True):
            with self._context.watch("D"):
                with self._context.device.precision():
                    logits = self.reader(torch.cat([real[of_real], fake[of_fake]]))
                on_real, on_fake = logits.float().chunk(2)
                loss = 0.5 * self._objective.d_loss(on_real, on_fake).mean() + self.reader.penalty()
                self.optimizer.differentiate(loss)
            with self._context.watch("optimizer"):
                self._soundness.take("D", self.optimizer, loss.detach())
            if half == self._half:
                self._windows["real"].add(on_real[None])
                self._windows["fake"].add(on_fake[None])
        self.norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(self.optimizer.gradients)))

    def figures(self) -> dict[str, Tensor]:
        """Of what D said of the batches it learnt from since the last call; nothing where it learnt nothing."""
        values = {side: window.values() for side, window in self._windows.items()}
        if not len(values["real"]):
            return {}
        game = {"game_real": values["real"], "game_fake": values["fake"], "penalty": values["real"][:0]}
        figures = window_figures(self._objective, values | game)
        for window in self._windows.values():
            window.clear()
        del figures["loss/g"]  # G learns in ways of its own
        return figures | {"loss/penalty": self.reader.penalty(), "grad_norm/d": self.norm}

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
