"""Losses that are not finite, at the steps of a test's choice."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Poisoned:
    """An objective whose losses are multiplied by numbers on the device, 1 unless a test says otherwise."""

    def __init__(self, objective: Any) -> None:
        self._objective = objective
        self.d, self.g = torch.ones(()), torch.ones(())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objective, name)

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        loss: Tensor = self._objective.d_loss(real, fake) * self.d
        return loss

    def g_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        loss: Tensor = self._objective.g_loss(real, fake) * self.g
        return loss
