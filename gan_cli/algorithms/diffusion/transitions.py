"""Transitions of the reverse process, linear combinations of x_0, x_t and noise, and the samplers that choose them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from gan_cli.components.ranges import Share, check_ranges


@dataclass(frozen=True)
class Transition:
    """One step from x_t to x_s, s < t: ``x0 * x_0 + xt * x_t + noise * N(0, I)``, with x_0 as the network predicts it.

    Attributes:
        x0: factor of x_0.
        xt: factor of x_t.
        noise: standard deviation of the noise; 0: none is drawn. All of one shape: of as many steps.
    """

    x0: Tensor
    xt: Tensor
    noise: Tensor


@runtime_checkable
class ReverseSampler(Protocol):
    """A choice of transitions of the reverse process."""

    @property
    def deterministic(self) -> bool:
        """True if no noise is drawn after x_T."""
        ...

    def transition(self, alpha_bar: Tensor, earlier: Tensor) -> Transition:
        """Return the step from a timestep with this alpha-bar to an earlier one, each ``(S,)`` float64."""
        ...


class Variance(Enum):
    """Variance of an ancestral step (Ho et al. 2020, section 3.2)."""

    posterior = "posterior"
    forward = "forward"


@dataclass(frozen=True)
class Ancestral:
    """Ancestral sampling (Ho et al. 2020, algorithm 2): x_s is drawn around the mean of q(x_s | x_t, x_0) (eq. 7).

    Of fewer steps than T, those of a process with the same marginals at the timesteps that are visited (Nichol &
    Dhariwal 2021, section 4).

    Attributes:
        variance: posterior is beta-tilde, that of q(x_s | x_t, x_0), right where x_0 is a single point; forward is
            beta, that of q(x_t | x_s), right where x_0 is N(0, I).
    """

    variance: Variance = Variance.posterior

    @property
    def deterministic(self) -> bool:
        return False

    def transition(self, alpha_bar: Tensor, earlier: Tensor) -> Transition:
        alpha = alpha_bar / earlier
        beta = 1 - alpha
        x0 = earlier.sqrt() * beta / (1 - alpha_bar)
        xt = alpha.sqrt() * (1 - earlier) / (1 - alpha_bar)
        variance = (1 - earlier) / (1 - alpha_bar) * beta if self.variance is Variance.posterior else beta
        # No noise at the last step, to x_0 itself.
        return Transition(x0, xt, torch.where(earlier < 1, variance, 0).sqrt())


@dataclass(frozen=True)
class DDIM:
    """Denoising diffusion implicit models (Song et al. 2021, eq. 12 and 16).

    Attributes:
        eta: 0 draws no noise, so that x_T determines the sample; 1 is ancestral sampling with the posterior's variance.
    """

    eta: Share = 0.0

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def deterministic(self) -> bool:
        return self.eta == 0

    def transition(self, alpha_bar: Tensor, earlier: Tensor) -> Transition:
        variance = self.eta**2 * (1 - earlier) / (1 - alpha_bar) * (1 - alpha_bar / earlier)
        # Of epsilon = (x_t - sqrt(alpha-bar_t) x_0) / sqrt(1 - alpha-bar_t).
        epsilon = (1 - earlier - variance).clamp_min(0).sqrt()
        xt = epsilon / (1 - alpha_bar).sqrt()
        return Transition(earlier.sqrt() - xt * alpha_bar.sqrt(), xt, variance.sqrt())


def visited_timesteps(timesteps: int, steps: int) -> Tensor:
    """Return the timesteps that ``steps`` steps begin at, ``(steps,)`` int64, from T down to 1, evenly spaced.

    Always beginning at T, the only timestep whose marginal is N(0, I).
    """
    if steps == 1:
        return torch.tensor([timesteps], device="cpu")
    return torch.linspace(timesteps, 1, steps, dtype=torch.float64, device="cpu").round().long()
