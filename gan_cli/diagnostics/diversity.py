"""How alike generated samples are, and how they lie among real ones; from distances alone, for images and points."""

from __future__ import annotations

import torch
from torch import Tensor

# From so many dimensions on, distances come from a matrix product: quicker, and not exact near 0.
MANY_DIMENSIONS = 32


def diversity_figures(trained: Tensor, held: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Three looks at three batches of one size, ``(N, *shape)`` each; 0-dimensional figures.

    ``diagnosis/diversity``: mean distance between two generated samples, as a share of that between two real ones.
    ``diagnosis/neighbours``: of how many real samples (``trained``) some generated sample is nearest to, as a share of
    how many some other real sample (``held``) is nearest to.
    ``diagnosis/told_apart``: share of held and generated samples whose nearest neighbour among both is one of their
    own kind: 1/2 for equal distributions, 1 for such that do not touch (Lopez-Paz & Oquab 2017, the 1-NN test).
    """
    count = len(fake)
    points = torch.cat([trained, held, fake]).flatten(1).float()
    exact = points.shape[1] < MANY_DIMENSIONS
    mode = "donot_use_mm_for_euclid_dist" if exact else "use_mm_for_euclid_dist"
    # Around their mean, for a matrix product rounds in proportion to how far they lie from the origin.
    points = points - points.mean(0)
    # From held and generated samples to all three kinds: nobody asks how far those lie apart that D trains on.
    distances = torch.cdist(points[count:], points, compute_mode=mode)
    to_trained, among_others = distances[:, :count], distances[:, count:]
    of_real, of_fake = among_others[:count, :count], among_others[count:, count:]
    return {
        # Data that are all the same would make this infinite, which is no trouble of training.
        "diagnosis/diversity": mean_distance(of_fake) / mean_distance(of_real).clamp_min(1e-6),
        "diagnosis/neighbours": neighboured(to_trained[count:]) / neighboured(to_trained[:count]),
        "diagnosis/told_apart": told_apart(among_others),
    }


def mean_distance(distances: Tensor) -> Tensor:
    """Mean over the pairs of different samples, from all distances ``(N, N)``; 0-dimensional."""
    count = len(distances)
    return (distances.sum() - distances.diagonal().sum()) / (count * (count - 1))


def neighboured(distances: Tensor) -> Tensor:
    """How many of M samples are nearest to at least one of N others, from distances ``(N, M)``; 0-dimensional."""
    found = torch.zeros(distances.shape[1], device=distances.device)
    return found.scatter_(0, distances.argmin(1), 1.0).sum()


def told_apart(distances: Tensor) -> Tensor:
    """Share of 2 N samples whose nearest neighbour is of their own half, from distances ``(2 N, 2 N)``."""
    others = distances.clone().fill_diagonal_(float("inf"))
    half = len(distances) // 2
    own = torch.arange(2 * half, device=distances.device) < half
    return (own[others.argmin(1)] == own).float().mean()


def filled_modes(points: Tensor, centres: Tensor) -> Tensor:
    """Effective share of modes that points ``(N, D)`` fill: exp(entropy) of their nearest centres over M; in (0, 1]."""
    shares = torch.zeros(len(centres), device=points.device)
    nearest = torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
    shares = shares.scatter_add_(0, nearest, torch.full((len(points),), 1 / len(points), device=points.device))
    effective: Tensor = torch.special.entr(shares).sum().exp()
    return effective / len(centres)
