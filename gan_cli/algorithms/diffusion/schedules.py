"""Noise schedules of the forward process: the variance beta_t that each of T timesteps adds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from gan_cli.components.ranges import Range, check_ranges
from gan_cli.errors import require

# Largest beta: the last one of the cosine schedule would be 1 (Nichol & Dhariwal 2021, section 3.2, below eq.
# 17); those of the linear one reach 1 at 20 timesteps or fewer.
MAX_BETA = 0.999


@runtime_checkable
class NoiseSchedule(Protocol):
    """Variances of the forward process q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I)."""

    def betas(self, timesteps: int) -> Tensor:
        """Return beta_1 to beta_T, ``(timesteps,)`` float64, in (0, 1), on the CPU."""
        ...


Variance: TypeAlias = Annotated[float, Range(0, 1, above=True, below=True)]


@dataclass(frozen=True)
class LinearBetas:
    """Betas on a straight line (Ho et al. 2020, section 4).

    ``start`` and ``end`` are those of 1,000 timesteps; of T timesteps they are 1000 / T as large, so that the data end
    in the same noise (Nichol & Dhariwal's code).

    Attributes:
        start: beta_1 of 1,000 timesteps.
        end: beta_T of 1,000 timesteps.
    """

    start: Variance = 1e-4
    end: Variance = 0.02

    def __post_init__(self) -> None:
        check_ranges(self)
        require(self.start <= self.end, "end", self.end, f"a number from {self.start} to 1, exclusive")

    def betas(self, timesteps: int) -> Tensor:
        scale = 1000 / timesteps
        betas = torch.linspace(scale * self.start, scale * self.end, timesteps, dtype=torch.float64, device="cpu")
        return betas.clamp_max(MAX_BETA)


@dataclass(frozen=True)
class CosineAlphaBars:
    """alpha-bar_t as a squared cosine (Nichol & Dhariwal 2021, eq. 17), with betas of at most 0.999.

    Attributes:
        offset: s of the paper, which keeps the first betas from being too small.
    """

    offset: Annotated[float, Range(0, 1000)] = 0.008

    def __post_init__(self) -> None:
        check_ranges(self)

    def betas(self, timesteps: int) -> Tensor:
        share = torch.arange(timesteps + 1, dtype=torch.float64, device="cpu") / timesteps
        f = ((share + self.offset) / (1 + self.offset) * (math.pi / 2)).cos().square()
        return (1 - f[1:] / f[:-1]).clamp_max(MAX_BETA)
