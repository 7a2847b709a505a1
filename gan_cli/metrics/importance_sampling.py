"""Bounds on a latent variable model's likelihood by importance sampling (Burda et al. 2016)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from gan_cli.components.likelihoods import log_normal, log_standard_normal, reparameterize

# Samples (N, *shape) to mean and log-variance of the posterior, (N, D) each.
Encode: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]
# Samples (N, *shape) and codes (N, D) to log p(x | z), (N,).
LogLikelihood: TypeAlias = Callable[[Tensor, Tensor], Tensor]

# Numbers of decoded samples that there are at a time, at most: 16 MB of them.
MAX_DECODED_ELEMENTS = 2**22


@dataclass(frozen=True)
class Estimate:
    """A mean over samples.

    Attributes:
        mean: in nats.
        error: its standard error.
    """

    mean: float
    error: float

    @classmethod
    def of(cls, values: Tensor) -> Estimate:
        """Of values ``(N,)``; the error of a single one is NaN."""
        return cls(float(values.mean()), float(values.std() / math.sqrt(len(values))))


@torch.no_grad()
def log_weights(
    samples: Tensor,
    encode: Encode,
    log_likelihood: LogLikelihood,
    draws: int,
    generator: torch.Generator,
    max_elements: int = MAX_DECODED_ELEMENTS,
) -> Tensor:
    """``log p(x, z_k) - log q(z_k | x)`` for draws ``z_k`` from q, the posterior, with a prior of N(0, I).

    Memory for decoded samples is bounded by ``max_elements``, whatever the sizes; what is drawn depends on it.

    Args:
        samples: ``(N, *shape)``, as the likelihood takes them.
        encode: the posterior.
        log_likelihood: of samples given codes.
        draws: K.
        generator: to draw from, on the samples' device.
        room: numbers of decoded samples at a time; at least one sample is decoded.

    Returns:
        ``(N, K)``, in the precision of the samples.
    """
    size = max(1, samples[0].numel())
    at_once = min(draws, max(1, max_elements // size))
    rows = max(1, max_elements // (size * at_once))
    counts = _chunk_sizes(draws, at_once)

    def of(part: Tensor) -> Tensor:
        return torch.cat([_weights(part, encode, log_likelihood, count, generator) for count in counts], dim=1)

    return torch.cat([of(part) for part in torch.split(samples, rows)])


def _chunk_sizes(total: int, most: int) -> list[int]:
    """``total`` in parts of ``most`` and a rest."""
    return [most] * (total // most) + ([total % most] if total % most else [])


def _weights(
    samples: Tensor, encode: Encode, log_likelihood: LogLikelihood, draws: int, generator: torch.Generator
) -> Tensor:
    """Log-weights ``(N, draws)``, all at once."""
    mean, log_variance = (each[:, None] for each in encode(samples))
    count, _, dimensions = mean.shape
    noise = torch.randn(count, draws, dimensions, generator=generator, device=samples.device, dtype=samples.dtype)
    codes = reparameterize(mean, log_variance, noise)
    expanded = samples[:, None].expand(-1, draws, *samples.shape[1:])
    likelihood = log_likelihood(expanded.flatten(0, 1), codes.flatten(0, 1)).view(count, draws)
    return likelihood + (log_standard_normal(codes) - log_normal(codes, mean, log_variance)).sum(2)


def iwae_bounds(weights: Tensor, counts: Sequence[int]) -> Mapping[int, Tensor]:
    """The bound on log p(x) with K draws, for several K from the same draws.

    ``L_K = E log 1/K sum_k exp(w_k)`` (Burda et al. 2016, eq. 8), K = 1 being the ELBO: the mean over as many groups of
    K as there are draws for.

    Args:
        weights: log-weights, ``(N, draws)``.
        counts: K's, no larger than ``draws``.

    Returns:
        K -> ``(N,)``, float64, in nats.
    """
    exact = weights.double()
    found = {}
    for count in counts:
        groups = exact[:, : exact.shape[1] // count * count].reshape(len(exact), -1, count)
        found[count] = (groups.logsumexp(2) - math.log(count)).mean(1)
    return found
