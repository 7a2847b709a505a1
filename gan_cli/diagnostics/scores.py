"""What D says as a distribution: quantiles on either side, and how far the two sides overlap."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.protocols.adversarial import Objective

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
