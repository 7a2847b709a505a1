"""Metrics of D's logits over the updates since the last report."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gan_cli.algorithms.objective_tags import GAME_VALUE
from gan_cli.diagnostics.statistics import score_metrics
from gan_cli.protocols.adversarial import Objective, ZeroSumObjective

# Short name -> tag, for the progress line.
HEADLINE = {"loss D": "loss/d", "loss G": "loss/g", "D(x)": "d_real/mean", "D(G(z))": "d_fake/mean"}


def headline(objective: Objective, scalars: Mapping[str, float]) -> dict[str, float]:
    """Return short name -> value for the progress line; the noise's sigma where there is noise."""
    shown = HEADLINE | {objective.divergence_name: f"divergence/{objective.divergence_name}"}
    sigma = {"sigma": scalars["noise/sigma"]} if scalars.get("noise/sigma") else {}
    return {name: scalars[tag] for name, tag in shown.items()} | sigma


def logit_metrics(objective: Objective, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compute losses, divergence, accuracies and scores, 0-dimensional each, from logits and penalties of many updates.

    Args:
        objective: defines losses, divergence and scores of logits.
        values: by the name of their ring buffer: ``real`` and ``fake`` from D's updates, ``game_real`` and
            ``game_fake`` from G's, and ``penalty``.
    """
    real, fake, fake_g = values["real"], values["fake"], values["game_fake"]
    margin_real, margin_fake = margins(objective, real, fake)
    metrics = {
        "loss/d": objective.d_loss(real, fake).mean(),
        "loss/g": objective.g_loss(values["game_real"] if objective.relativistic else fake_g, fake_g).mean(),
        f"divergence/{objective.divergence_name}": objective.divergence(real, fake),
        "d/accuracy_real": (margin_real > 0).float().mean(),
        "d/accuracy_fake": (margin_fake > 0).float().mean(),
    }
    if isinstance(objective, ZeroSumObjective):
        metrics[GAME_VALUE] = objective.value(real, fake)
    if values["penalty"].numel():
        metrics["loss/penalty"] = values["penalty"].mean()
    return metrics | score_metrics(objective, real, fake)


def rows_or_nan(rows: Tensor) -> Tensor:
    """Return rows ``(R, width)``, or one row of NaN where there are none because every update was skipped."""
    return rows if len(rows) else rows.new_full((1, rows.shape[1]), torch.nan)


def top_mean(losses: Tensor, logits: Tensor, share: Tensor) -> Tensor:
    """Compute the mean loss over the share of samples with the largest logits (Sinha et al. 2020, section 3).

    A mask, not a selection: shapes stay the same whatever the share, and nothing waits for its value.
    """
    k = (share * len(losses)).ceil()
    rank = logits.detach().argsort(descending=True).argsort()
    return torch.where(rank < k, losses, 0.0).sum() / k


def margins(objective: Objective, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return signed distances of real and generated logits to the decision boundary, positive where D is correct.

    Without a boundary only differences have a meaning: then both are ``real - fake``.
    """
    if objective.boundary is None:
        return real - fake, real - fake
    return real - objective.boundary, objective.boundary - fake
