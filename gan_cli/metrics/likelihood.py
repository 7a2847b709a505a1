"""Likelihoods as metrics: of sequences, and bounds for latent variable models."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from gan_cli.metrics.importance_sampling import iwae_bounds
from gan_cli.metrics.registry import MetricInfo, metric, metrics

if TYPE_CHECKING:
    from torch import Tensor

# Name of a bound -> draws from the posterior for each sample.
BOUNDS: Mapping[str, int] = MappingProxyType({"elbo": 1, "iwae_50": 50, "iwae_5000": 5000})


@metrics(
    MetricInfo("elbo", "nats", "higher", "evidence lower bound on log p of test data, in nats per sample"),
    MetricInfo("iwae_50", "nats", "higher", "the same by 50 importance samples each: a tighter bound"),
    MetricInfo("iwae_5000", "nats", "higher", "by 5,000: nearly log p itself"),
    needs="log_weights",
)
def likelihood_bounds(weights: Tensor) -> dict[str, Tensor]:
    """Compute the bounds of :data:`BOUNDS` for each sample, ``(N,)``, from log-weights ``(N, 5000)``."""
    return dict(zip(BOUNDS, iwae_bounds(weights, tuple(BOUNDS.values())).values(), strict=True))


@metric(
    "nll_oracle",
    "nats",
    needs="oracle_nll",
    description="in nats a token, by the data's own law; below the floor: modes are missing",
)
def nll_oracle(nll: Tensor) -> float:
    """Compute the mean over generated sequences ``(N,)``."""
    return float(nll.double().mean())


@metric(
    "nll_test", "nats", needs="model_nll", description="of held-out sequences, in nats a token, by the model itself"
)
def nll_test(nll: Tensor) -> float:
    """Compute the mean over held-out sequences ``(N,)``."""
    return float(nll.double().mean())
