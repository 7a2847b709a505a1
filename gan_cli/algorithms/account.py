"""What a game says of itself: figures of its windows, and its tensors by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from gan_cli.algorithms.judge import margins
from gan_cli.diagnostics.scores import score_figures
from gan_cli.protocols import Objective

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


def global_norm(gradients: Sequence[Tensor | None]) -> float:
    """Norm of all gradients together. Waits for the device."""
    there = [gradient for gradient in gradients if gradient is not None]
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(there))))


def named_tensors(side: str, network: nn.Module, gradients: Sequence[Tensor | None]) -> Iterator[tuple[str, Tensor]]:
    """Buffers, gradients and weights of a network after an update, in the order in which it came to them."""
    for name, tensor in network.named_buffers():
        yield f"{side}'s {name}", tensor
    named = list(network.named_parameters())
    for (name, _), gradient in zip(named, gradients, strict=False):
        if gradient is not None:
            yield f"gradient of {side}'s {name}", gradient
    for name, tensor in named:
        yield f"{side}'s {name}", tensor
