"""Metrics of D's logits over the updates since the last report."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gan_cli.diagnostics.statistics import score_figures
from gan_cli.protocols.adversarial import Objective

# Short name -> tag, for the progress line.
HEADLINE = {"loss D": "loss/d", "loss G": "loss/g", "D(x)": "d_real/mean", "D(G(z))": "d_fake/mean"}


def window_figures(objective: Objective, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Losses, divergence, accuracies and scores, 0-dimensional each, from the logits and penalties of many updates.

    Args:
        objective: what logits mean.
        values: by the name of their window: ``real`` and ``fake`` as D's updates saw them, ``game_real`` and
            ``game_fake`` as G's did, and ``penalty``.
    """
    real, fake, game = values["real"], values["fake"], values["game_fake"]
    above, below = margins(objective, real, fake)
    figures = {
        "loss/d": objective.d_loss(real, fake).mean(),
        "loss/g": objective.g_loss(values["game_real"] if objective.relativistic else game, game).mean(),
        f"divergence/{objective.divergence_name}": objective.divergence(real, fake),
        "d/accuracy_real": (above > 0).float().mean(),
        "d/accuracy_fake": (below > 0).float().mean(),
    }
    if values["penalty"].numel():
        figures["loss/penalty"] = values["penalty"].mean()
    return figures | score_figures(objective, real, fake)


def rows_or_nan(rows: Tensor) -> Tensor:
    """Rows ``(R, width)``; one of NaN where there are none, every update having been left out."""
    return rows if len(rows) else rows.new_full((1, rows.shape[1]), torch.nan)


def top_mean(losses: Tensor, logits: Tensor, share: Tensor) -> Tensor:
    """Mean loss over the given share of samples, those that D takes for real most (Sinha et al. 2020, section 3).

    A mask, not a selection: shapes stay the same whatever the share, and nothing waits for its value.
    """
    kept = (share * len(losses)).ceil()
    rank = logits.detach().argsort(descending=True).argsort()
    return torch.where(rank < kept, losses, 0.0).sum() / kept


def margins(objective: Objective, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """How far logits lie on the right side of the objective's boundary: of real and of generated samples.

    Without a boundary only a difference means something: then both are that of a real sample to a generated one.
    """
    if objective.boundary is None:
        return real - fake, real - fake
    return real - objective.boundary, objective.boundary - fake
