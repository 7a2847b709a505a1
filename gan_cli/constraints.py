"""Constraints: projections of the discriminator's weights, applied after each of its updates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gan_cli.errors import require


@dataclass(frozen=True)
class WeightClipping:
    """Every weight back into [-c, c], which keeps the critic Lipschitz (Arjovsky et al. 2017, algorithm 1)."""

    c: float = 0.01

    def __post_init__(self) -> None:
        require(self.c > 0, "c", self.c, "a number > 0")

    @torch.no_grad()
    def project(self, parameters: list[Tensor]) -> None:
        """Clip in place. Two launches for all parameters together."""
        torch._foreach_clamp_min_(parameters, -self.c)
        torch._foreach_clamp_max_(parameters, self.c)
