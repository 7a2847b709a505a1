"""Tensors of networks and optimizers by name, norms of gradients, and the search for non-finite numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_cli.components.optimizers import ScheduledOptimizer
from gan_cli.protocols.algorithm import NonFiniteReport


def global_norm(gradients: Sequence[Tensor | None]) -> Tensor:
    """Compute the norm of all gradients together, 0-dimensional."""
    present = [gradient for gradient in gradients if gradient is not None]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(present)))
    return norm


@dataclass(frozen=True)
class NetworkState:
    """The tensors of a network and of its optimizer by name.

    Attributes:
        name: of the network in messages, for instance ``D`` or ``G``.
    """

    name: str
    network: nn.Module
    optimizer: ScheduledOptimizer

    def persistent_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors that the next update depends on: buffers, moments of the gradient, weights."""
        for name, tensor in self.network.named_buffers():
            yield f"{self.name}'s {name}", tensor
        yield from self._moments_and_weights()

    def tensors(self, gradients: Sequence[Tensor | None]) -> Iterator[tuple[str, Tensor]]:
        """Yield buffers, gradients, moments and weights after an update, in the order in which it computed them."""
        for name, tensor in self.network.named_buffers():
            yield f"{self.name}'s {name}", tensor
        trained = (name for name, parameter in self.network.named_parameters() if parameter.requires_grad)
        for name, gradient in zip(trained, gradients, strict=False):
            if gradient is not None:
                yield f"gradient of {self.name}'s {name}", gradient
        yield from self._moments_and_weights()

    def _moments_and_weights(self) -> Iterator[tuple[str, Tensor]]:
        for name, parameter in self.network.named_parameters():
            for moment, tensor in self.optimizer.moments(parameter).items():
                yield f"{moment} of {self.name}'s {name}", tensor
        for name, parameter in self.network.named_parameters():
            yield f"{self.name}'s {name}", parameter.detach()


def find_nonfinite(named: Iterable[tuple[str, Tensor]]) -> NonFiniteReport | None:
    """Return the first tensor with a number that is not finite, or None. Waits for the device."""
    floating = {name: tensor for name, tensor in named if tensor.is_floating_point()}
    # Norms first, in one pass: a tenth of the time of the exact test, which decides where large numbers overflow them.
    norms = torch.stack(torch._foreach_norm(list(floating.values()))).tolist()
    for (name, tensor), norm in zip(floating.items(), norms, strict=True):
        if not math.isfinite(norm) and not bool(tensor.isfinite().all()):
            return NonFiniteReport(f"{name} is not finite")
    return None
