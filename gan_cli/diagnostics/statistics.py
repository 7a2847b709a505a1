"""How alike generated samples are, and how they lie among real ones; from distances alone, for images and points."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gan_cli.protocols.adversarial import Objective

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


# Quantile in percent, and so the last part of a tag: d_real/p05.
QUANTILES = (5, 25, 50, 75, 95)
# Logits that are sorted, at most: more would not change what is seen.
ENOUGH = 2**13


def score_figures(objective: Objective, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Moments, extremes and quantiles of the scores of either side, and ``d/auc``; 0-dimensional each.

    Args:
        objective: what logits mean.
        real: logits of real samples, any shape but not empty.
        fake: logits of generated samples.
    """
    figures: dict[str, Tensor] = {}
    ranked = {}
    for name, logits in {"d_real": real, "d_fake": fake}.items():
        score = objective.score(logits)
        figures[f"{name}/mean"] = score.mean()
        figures[f"{name}/std"] = score.std(correction=0)
        figures[f"{name}/min"] = score.min()
        figures[f"{name}/max"] = score.max()
        ranked[name] = thinned(logits).sort().values
        last = len(ranked[name]) - 1
        places = [round(percent / 100 * last) for percent in QUANTILES]
        quantiles = objective.score(ranked[name][places])
        figures |= {f"{name}/p{percent:02}": quantiles[index] for index, percent in enumerate(QUANTILES)}
    figures["d/auc"] = auc(ranked["d_real"], ranked["d_fake"])
    return figures


def thinned(values: Tensor) -> Tensor:
    """An even choice of values, ``(N,)``, N at most ``ENOUGH``."""
    flat = values.flatten()
    return flat[:: max(1, -(-len(flat) // ENOUGH))]


def auc(real: Tensor, fake: Tensor) -> Tensor:
    """Probability that D ranks a real sample above a generated one, ties counted half; 0-dimensional, in [0, 1].

    1/2 where the two distributions of logits are the same; 1 where they do not overlap.

    Args:
        real: ascending, ``(N,)``.
        fake: ascending, ``(M,)``.
    """
    below = torch.searchsorted(fake, real) + torch.searchsorted(fake, real, right=True)
    return below.float().mean() / (2 * len(fake))


def gradient_figures(
    objective: Objective, critic: Callable[[Tensor], Tensor], fake: Tensor, real_logits: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """Norms of dL_G / dG(z) per sample: mean and deviation, and the mean for each loss that G could have.

    Per sample, not of the batch's mean: a batch whose samples pull in different directions has not vanished. For a
    critic that judges each sample by itself, the chain rule gives all of them from one pass back through D.

    Args:
        objective: says what G minimises.
        critic: ``(N, *shape) -> (N,)`` logits.
        fake: ``(N, *shape)`` generated samples, or packs of them: whatever D judges as one.
        real_logits: ``(N,)``, of real samples, for objectives that compare.

    Returns:
        The figures, 0-dimensional, and the logits of the generated samples, ``(N,)``.
    """
    samples = fake.detach().requires_grad_()
    with torch.enable_grad():
        logits = critic(samples)
        (slope,) = torch.autograd.grad(logits.sum(), samples)
        steepness = slope.flatten(1).float().norm(dim=1)
        given = logits.detach().requires_grad_()
        losses = {"": objective.g_loss(real_logits, given)}
        losses |= {f"_{name}": loss for name, loss in objective.g_choices(given).items()}
        norms = {
            name: torch.autograd.grad(loss.sum(), given, retain_graph=True)[0].abs() * steepness
            for name, loss in losses.items()
        }
    figures = {f"diagnosis/gradient{name}": norm.mean() for name, norm in norms.items()}
    figures["diagnosis/gradient_deviation"] = norms[""].std(correction=0)
    return figures, logits.detach()
