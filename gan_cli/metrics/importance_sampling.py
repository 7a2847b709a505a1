"""Bounds on a latent variable model's likelihood by importance sampling (Burda et al. 2016)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# From samples (N, *shape) to mean and log-variance of the posterior, (N, D) each.
Encode: TypeAlias = "Callable[[Tensor], tuple[Tensor, Tensor]]"
# From samples (N, *shape) and codes (N, D) to log p(x | z), (N,).
LogLikelihood: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"

# Largest number of elements of decoded samples at a time: 16 MB.
MAX_DECODED_ELEMENTS = 2**22


@dataclass(frozen=True)
class Estimate:
    """A mean over samples with its standard error.

    Attributes:
        mean: in nats.
        error: standard error of the mean, in nats.
    """

    mean: float
    error: float

    @classmethod
    def from_values(cls, values: Tensor) -> Estimate:
        """Compute mean and standard error of values ``(N,)``; the error of a single one is NaN."""
        return cls(float(values.mean()), float(values.std() / math.sqrt(len(values))))


def log_weights(
    samples: Tensor,
    encode: Encode,
    log_likelihood: LogLikelihood,
    draws: int,
    generator: torch.Generator,
    max_elements: int = MAX_DECODED_ELEMENTS,
) -> Tensor:
    """Compute ``log p(x, z_k) - log q(z_k | x)`` for draws ``z_k`` from the posterior q, with a prior of N(0, I).

    Memory for decoded samples is bounded by ``max_elements`` for any sizes; the draws depend on it.

    Args:
        samples: ``(N, *shape)``, as the likelihood takes them.
        encode: the posterior.
        log_likelihood: of samples given codes.
        draws: K.
        generator: to draw from, on the samples' device.
        max_elements: elements of decoded samples at a time; at least one sample is decoded.

    Returns:
        ``(N, K)``, in the precision of the samples.
    """
    import torch  # slow to import

    size = max(1, samples[0].numel())
    draws_per_chunk = min(draws, max(1, max_elements // size))
    rows = max(1, max_elements // (size * draws_per_chunk))
    counts = _chunk_sizes(draws, draws_per_chunk)

    def chunk_weights(chunk: Tensor) -> Tensor:
        return torch.cat([_weights(chunk, encode, log_likelihood, count, generator) for count in counts], dim=1)

    with torch.no_grad():
        return torch.cat([chunk_weights(chunk) for chunk in torch.split(samples, rows)])


def _chunk_sizes(total: int, size: int) -> list[int]:
    """Split ``total`` into chunks of ``size`` and a remainder."""
    return [size] * (total // size) + ([total % size] if total % size else [])


def _weights(
    samples: Tensor, encode: Encode, log_likelihood: LogLikelihood, draws: int, generator: torch.Generator
) -> Tensor:
    """Compute log-weights ``(N, draws)`` in a single pass of the decoder."""
    import torch  # slow to import

    from gan_cli.components.likelihoods import log_normal, log_standard_normal, reparameterize

    mean, log_variance = (moment[:, None] for moment in encode(samples))
    count, _, dimensions = mean.shape
    noise = torch.randn(count, draws, dimensions, generator=generator, device=samples.device, dtype=samples.dtype)
    codes = reparameterize(mean, log_variance, noise)
    expanded = samples[:, None].expand(-1, draws, *samples.shape[1:])
    likelihood = log_likelihood(expanded.flatten(0, 1), codes.flatten(0, 1)).view(count, draws)
    return likelihood + (log_standard_normal(codes) - log_normal(codes, mean, log_variance)).sum(2)


def iwae_bounds(weights: Tensor, counts: Sequence[int]) -> Mapping[int, Tensor]:
    """Compute the bound on log p(x) with K draws, for several K from the same draws.

    ``L_K = E log 1/K sum_k exp(w_k)`` (Burda et al. 2016, eq. 8), averaged over as many groups of K as there are draws
    for; K = 1 gives the ELBO.

    Args:
        weights: log-weights, ``(N, draws)``.
        counts: K's, no larger than ``draws``.

    Returns:
        K -> ``(N,)``, float64, in nats.
    """
    weights = weights.double()
    bounds = {}
    for count in counts:
        groups = weights[:, : weights.shape[1] // count * count].reshape(len(weights), -1, count)
        bounds[count] = (groups.logsumexp(2) - math.log(count)).mean(1)
    return bounds
