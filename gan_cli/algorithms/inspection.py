"""What a game says of itself: figures of its windows, and its tensors by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_cli.components.optimizers import ScheduledOptimizer
from gan_cli.protocols.algorithm import Trouble


def global_norm(gradients: Sequence[Tensor | None]) -> float:
    """Norm of all gradients together. Waits for the device."""
    there = [gradient for gradient in gradients if gradient is not None]
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(there))))


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
