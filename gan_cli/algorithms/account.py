"""What a game says of itself: figures of its windows, and its tensors by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_cli.algorithms.judge import margins
from gan_cli.components.optimizers import ScheduledOptimizer
from gan_cli.diagnostics.statistics import score_figures
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.algorithm import Trouble

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


def rows_or_nan(rows: Tensor) -> Tensor:
    """Rows ``(R, width)``; one of NaN where there are none, every update having been left out."""
    return rows if len(rows) else rows.new_full((1, rows.shape[1]), torch.nan)


@dataclass(frozen=True)
class Player:
    """A network and its optimizer, whose tensors are asked for by name.

    Attributes:
        name: ``D`` or ``G``.
    """

    name: str
    network: nn.Module
    optimizer: ScheduledOptimizer

    def lasting(self) -> Iterator[tuple[str, Tensor]]:
        """What the next update begins with: buffers, moments of the gradient, weights."""
        for name, tensor in self.network.named_buffers():
            yield f"{self.name}'s {name}", tensor
        yield from self._learnt()

    def tensors(self, gradients: Sequence[Tensor | None]) -> Iterator[tuple[str, Tensor]]:
        """Buffers, gradients, moments and weights after an update, in the order in which it came to them."""
        for name, tensor in self.network.named_buffers():
            yield f"{self.name}'s {name}", tensor
        for (name, _), gradient in zip(self.network.named_parameters(), gradients, strict=False):
            if gradient is not None:
                yield f"gradient of {self.name}'s {name}", gradient
        yield from self._learnt()

    def _learnt(self) -> Iterator[tuple[str, Tensor]]:
        for name, parameter in self.network.named_parameters():
            for moment, tensor in self.optimizer.moments(parameter).items():
                yield f"{moment} of {self.name}'s {name}", tensor
        for name, parameter in self.network.named_parameters():
            yield f"{self.name}'s {name}", parameter.detach()


def trouble_in(named: Iterable[tuple[str, Tensor]]) -> Trouble | None:
    """The first tensor with a number that is not finite, if there is one. Waits for the device."""
    real = {name: tensor for name, tensor in named if tensor.is_floating_point()}
    # The norms in one pass: a tenth of the time of the exact question, which finite numbers may be too large for.
    norms = torch.stack(torch._foreach_norm(list(real.values()))).tolist()
    for (name, tensor), norm in zip(real.items(), norms, strict=True):
        if not math.isfinite(norm) and not bool(tensor.isfinite().all()):
            return Trouble(f"{name} is not finite")
    return None
