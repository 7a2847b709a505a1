"""The exponential moving average of a network."""

from __future__ import annotations

import copy
from itertools import accumulate

import torch
from torch import Tensor, nn


class MovingAverage:
    """Exponential moving average of a network's parameters and of its buffers, where these are real numbers.

    After ``half_life`` updates a weight's influence has halved. Early on the average only reaches back over half
    of the updates made so far, so that the random initial weights are forgotten. ``half_life`` 0 follows the
    network without averaging.
    """

    def __init__(self, network: nn.Module, half_life: float) -> None:
        live, self._counters = _split_by_dtype(network)
        self._live = _flatten_storage(live)  # and so the copy's tensors, too, share one storage
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        averaged, self._copied = _split_by_dtype(self.network)
        self._averaged = _flatten_storage(averaged)
        self._half_life = half_life
        self._current_half_life = -1.0
        self._weight = self._live.new_zeros(())

    def set_step(self, step: int) -> None:
        """Bring the weight of the network's present values to that of update number ``step``, counted from 0."""
        half_life = min(self._half_life, (step + 1) / 2)
        if half_life != self._current_half_life:
            self._current_half_life = half_life
            self._weight.fill_(1.0 - 0.5 ** (1.0 / half_life) if half_life > 0 else 1.0)

    @torch.no_grad()
    def update(self, made: Tensor | None = None) -> None:
        """Take in the network's weights, in one launch; not where ``made``, a 0-dimensional boolean, is false."""
        self._averaged.lerp_(self._live, self._weight if made is None else self._weight * made)
        if self._copied:
            torch._foreach_copy_(self._copied, self._counters)


def _split_by_dtype(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Tensors of a network that can be averaged, and those that can only be copied (batch norm's counters)."""
    tensors = [*network.parameters(), *network.buffers()]
    return [item for item in tensors if item.is_floating_point()], [
        item for item in tensors if not item.is_floating_point()
    ]


@torch.no_grad()
def _flatten_storage(tensors: list[Tensor]) -> Tensor:
    """Move tensors, dense and of one kind, into one storage: each a view of it with the strides it had.

    Returns:
        All of them, ``(S,)``, with zeros between them: each begins at a multiple of 64 bytes.
    """
    starts = list(accumulate((-(-tensor.numel() // 16) * 16 for tensor in tensors), initial=0))
    joined = tensors[0].new_zeros(starts[-1])
    for tensor, start in zip(tensors, starts, strict=False):
        place = joined.as_strided(tensor.shape, tensor.stride(), start)
        place.copy_(tensor)
        tensor.data = place
    return joined
