"""A trained network as a function of its latents alone, whose weights take no gradients."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import torch
from torch import Tensor, nn


def frozen_call(network: nn.Module, labels: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Return ``z -> G(z, labels)``, differentiable with respect to z alone, in reverse and in forward mode.

    Args:
        network: a generator; it stays as it is.
        labels: one for each row of z, on the device of the network; None: it is unconditional.
    """
    weights = {name: value.detach() for name, value in chain(network.named_parameters(), network.named_buffers())}

    def call(latents: Tensor) -> Tensor:
        arguments = (latents,) if labels is None else (latents, labels)
        samples: Tensor = torch.func.functional_call(network, weights, arguments)
        return samples

    return call
