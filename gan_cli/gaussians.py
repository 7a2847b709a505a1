"""Gaussians with independent coordinates, in closed form; densities in nats."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOG_TWO_PI = math.log(2 * math.pi)


def kl_to_standard(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of N(mean, exp(log_variance)) from N(0, 1), each coordinate by itself, any shape.

    Kingma & Welling 2014, appendix B, without the sum over coordinates.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)


def drawn(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """A draw from N(mean, exp(log_variance)) as a function of one from N(0, 1) (Kingma & Welling 2014, section 2.4)."""
    return mean + (0.5 * log_variance).exp() * noise


def log_density(values: Tensor, mean: Tensor | float, log_variance: Tensor) -> Tensor:
    """``log N(values; mean, exp(log_variance))`` of each coordinate by itself, any shape."""
    return -0.5 * ((values - mean).square() * (-log_variance).exp() + log_variance + LOG_TWO_PI)


def log_standard_density(values: Tensor) -> Tensor:
    """``log N(values; 0, 1)`` of each coordinate by itself, any shape."""
    return -0.5 * (values.square() + LOG_TWO_PI)


def root(covariance: Tensor) -> Tensor:
    """A lower triangle L with ``L L^T = covariance``, ``(D, D)`` float64 both.

    A direction without any variance is given a millionth of the widest one's, since codes that do not vary are nothing
    unusual. NaN where the covariance is not finite.
    """
    floor = 1e-6 * covariance.diagonal().max().clamp_min(torch.finfo(torch.float32).tiny)
    lower: Tensor = torch.linalg.cholesky_ex(covariance + floor * torch.eye(len(covariance)).to(covariance)).L
    return lower if bool(covariance.isfinite().all()) else torch.full_like(covariance, torch.nan)
