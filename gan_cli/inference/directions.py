"""Principal directions of a generator's latent space, in which its samples change most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan_cli.inference.differentiable import frozen_call
from gan_cli.inference.generator import TrainedGenerator
from gan_cli.inference.loading import network_device
from gan_cli.protocols.arrays import FloatArray
from gan_cli.runtime.rng import fixed_latents

# Latents that Jacobians are averaged over, and numbers of them that are held at a time.
NUM_LATENTS, MAX_NUMBERS = 64, 2**24
# Memory for each number of a Jacobian: as float32, and as float64 for the product.
BYTES_PER_NUMBER = 16


@dataclass(frozen=True)
class Directions:
    """Orthonormal directions in the latent space, those first in which samples change most.

    Attributes:
        vectors: ``(k, latent_dim)``; the largest coordinate of each is positive.
        strengths: ``(k,)``, squared change of a sample for a unit of the way, to first order, in the mean over latents.
        shares: ``(k,)``, the same as shares of the sum over all directions.
    """

    vectors: FloatArray
    strengths: FloatArray
    shares: FloatArray


def principal_directions(
    trained: TrainedGenerator,
    count: int,
    labels: Tensor | None = None,
    seed: int = 0,
    num_latents: int = NUM_LATENTS,
) -> Directions:
    """Compute the eigenvectors of ``E[J^T J]``, where J is the Jacobian of G at a latent of N(0, I).

    ``J^T J`` is the metric of the squared difference between samples; its mean over latents has directions that hold
    for all of them (Wang & Ponce 2021, with a perceptual distance). Where G is linear these are the singular vectors
    of its weights, as which SeFa (Shen & Zhou 2021) takes those of the first layer; all layers count here.

    Args:
        trained: the generator.
        count: number of directions, 1 to latent_dim.
        labels: those of the latents, ``(num_latents,)`` or ``(num_latents, K)``; None for a generator without labels.
        seed: seed of the latents.
        num_latents: number of latents.
    """
    latents = fixed_latents(seed, num_latents, trained.latent_dim)
    chunk = max(1, MAX_NUMBERS // jacobian_size(trained))
    metric = torch.zeros(trained.latent_dim, trained.latent_dim, dtype=torch.float64)
    for first in range(0, num_latents, chunk):
        rows = slice(first, first + chunk)
        metric += _sum_of_metrics(trained, latents[rows], None if labels is None else labels[rows])
    values, vectors = torch.linalg.eigh(metric / num_latents)  # ascending
    strongest, total = values.flip(0)[:count].clamp(min=0), float(values.clamp(min=0).sum())
    chosen = vectors.T.flip(0)[:count]
    signs = chosen.gather(1, chosen.abs().argmax(1, keepdim=True)).sign()
    shares = strongest / (total or 1.0)
    return Directions(*(each.float().numpy() for each in (chosen * signs, strongest, shares)))


def jacobian_size(trained: TrainedGenerator) -> int:
    """Return how many numbers the Jacobian at one latent has."""
    return int(np.prod(trained.dataset.shape)) * trained.latent_dim


def _sum_of_metrics(trained: TrainedGenerator, latents: Tensor, labels: Tensor | None) -> Tensor:
    """Sum ``J^T J`` over latents ``(M, latent_dim)``, by one derivative in forward mode for each coordinate."""
    device = network_device(trained.network)
    generate = frozen_call(trained.network, None if labels is None else labels.to(device))
    place, columns = latents.to(device), []
    for unit in torch.eye(trained.latent_dim, device=device):
        change: Tensor = torch.func.jvp(generate, (place,), (unit.expand_as(place).contiguous(),))[1]
        columns.append(change.detach().flatten())
    jacobians = torch.stack(columns, dim=1).cpu().double()  # of all latents, below each other
    return jacobians.T @ jacobians


def along(latent: Tensor, vectors: FloatArray, positions: Sequence[float]) -> Tensor:
    """Move a latent ``(latent_dim,)`` along each of k directions, ``(k * len(positions), latent_dim)``.

    All positions along the first direction come first; a unit is a standard deviation of N(0, I).
    """
    steps = torch.tensor(list(positions))[None, :, None] * torch.from_numpy(vectors)[:, None]
    return (latent + steps).flatten(0, 1)
