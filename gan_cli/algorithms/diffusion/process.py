"""The forward process of Ho et al. (2020) in closed form, and what a denoiser predicts of it.

Timesteps count from 1 to T. Constants are computed in float64 and kept as float32 tables on the device, which a batch
of timesteps indexes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn


class Prediction(Enum):
    """Quantity that the network predicts: the noise (Ho et al. 2020), or v (Salimans & Ho 2022, appendix D)."""

    epsilon = "epsilon"
    v = "v"


@dataclass(frozen=True)
class Target:
    """The quantity that the network predicts, ``eps * epsilon + x0 * x_0``, and its inverse.

    With x_t = alpha x_0 + sigma epsilon and alpha^2 + sigma^2 = 1, x_0 is a combination of x_t and of the prediction.

    Attributes:
        epsilon: factor of epsilon in the target.
        x0: factor of x_0 in the target.
        x0_from_x: factor of x_t in x_0.
        x0_from_output: factor of the prediction in x_0. All of one shape.
    """

    epsilon: Tensor
    x0: Tensor
    x0_from_x: Tensor
    x0_from_output: Tensor

    @classmethod
    def of(cls, prediction: Prediction, alpha: Tensor, sigma: Tensor) -> Target:
        """Return the factors for x_t = alpha x_0 + sigma epsilon, for each element of ``alpha`` and ``sigma``."""
        if prediction is Prediction.v:  # v = alpha epsilon - sigma x_0, hence x_0 = alpha x_t - sigma v
            return cls(alpha, -sigma, alpha, -sigma)
        return cls(torch.ones_like(alpha), torch.zeros_like(alpha), 1 / alpha, -sigma / alpha)


class ForwardProcess(nn.Module):
    """The marginals q(x_t | x_0) = N(alpha_t x_0, sigma_t^2 I), with alpha_t^2 = 1 - sigma_t^2 the paper's alpha-bar_t.

    Attributes:
        alpha_bars: alpha-bar_0 = 1 to alpha-bar_T, ``(T + 1,)`` float64, on the CPU.
        timesteps: T.
    """

    alpha: Tensor
    sigma: Tensor
    target_epsilon: Tensor
    target_x0: Tensor

    def __init__(self, betas: Tensor, prediction: Prediction) -> None:
        """Compute the tables from beta_1 to beta_T, ``(T,)`` float64."""
        super().__init__()
        self.timesteps = len(betas)
        self.alpha_bars = alpha_bars(betas)
        alpha, sigma = self.alpha_bars.sqrt(), (1 - self.alpha_bars).sqrt()
        target = Target.of(prediction, alpha, sigma)
        tables = {"alpha": alpha, "sigma": sigma, "target_epsilon": target.epsilon, "target_x0": target.x0}
        for name, table in tables.items():
            self.register_buffer(name, table.float(), persistent=False)

    def diffuse(self, x0: Tensor, timesteps: Tensor, noise: Tensor) -> Tensor:
        """Draw x_t from q(x_t | x_0) (Ho et al. 2020, eq. 4), ``(N, *shape)``.

        Args:
            x0: ``(N, *shape)``.
            timesteps: ``(N,)`` int64, from 1 to T.
            noise: ``(N, *shape)`` from N(0, I).
        """
        return per_sample(self.alpha[timesteps], x0) * x0 + per_sample(self.sigma[timesteps], x0) * noise

    def target(self, x0: Tensor, timesteps: Tensor, noise: Tensor) -> Tensor:
        """Return what the network is to predict from the same ``diffuse(x0, timesteps, noise)``, ``(N, *shape)``."""
        epsilon, x = self.target_epsilon[timesteps], self.target_x0[timesteps]
        return per_sample(epsilon, x0) * noise + per_sample(x, x0) * x0


def alpha_bars(betas: Tensor) -> Tensor:
    """Return alpha-bar_0 = 1 to alpha-bar_T, ``(T + 1,)``: products of 1 - beta (Ho et al. 2020, section 2)."""
    return torch.cat([betas.new_ones(1), (1 - betas).cumprod(0)])


def per_sample(values: Tensor, samples: Tensor) -> Tensor:
    """Reshape one value a sample, ``(N,)``, so that it multiplies samples ``(N, *shape)``."""
    return values.view(-1, *(1 for _ in samples.shape[1:]))
