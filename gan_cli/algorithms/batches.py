"""Several minibatches in one pass of a network: fewer, larger matrix products, and the same results."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode


def couples_samples(network: nn.Module) -> bool:
    """Whether what the network makes of a sample depends on the others of its batch: batch norm does that."""
    return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules())


def separator(network: nn.Module) -> Callable[[int], contextlib.AbstractContextManager[Any]]:
    """What gives the context for a pass of the network over a number of minibatches of one size, one behind the other.

    Batch norm takes the statistics of each by itself, in their order, as it would in a pass for each; its counter
    alone, which nothing here reads, goes up once.
    """
    coupled = couples_samples(network)
    return lambda batches: _Separate(batches) if coupled and batches > 1 else contextlib.nullcontext()


class _Separate(TorchFunctionMode):
    def __init__(self, batches: int) -> None:
        super().__init__()
        self._batches = batches

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function is not functional.batch_norm:
            return function(*args, **kwargs)
        together, *settings = args
        return torch.cat([function(batch, *settings, **kwargs) for batch in together.chunk(self._batches)])
