"""The exponential moving average of a network."""

from __future__ import annotations

import copy
from itertools import accumulate

import torch
from torch import Tensor, nn


class MovingAverage:
    """Exponential moving average of a network's parameters and of its floating-point buffers.

    After ``half_life`` updates the influence of a weight has halved. Early in training the half-life is at most half
    the number of updates made so far, so that the random initial weights are forgotten. With ``half_life`` 0 the
    average is a copy of the network. The network's own tensors are moved into one storage: an update is one launch.

    Attributes:
        network: the averaged network, in evaluation mode and without gradients.
    """

    def __init__(self, network: nn.Module, half_life: float) -> None:
        live, self._counters = _split_by_dtype(network)
        # Before the copy, whose tensors then share one storage too.
        self._live = _flatten_storage(live)
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        averaged, self._copied = _split_by_dtype(self.network)
        self._averaged = _flatten_storage(averaged)
        self._half_life = half_life
        self._current_half_life = -1.0
        self._weight = self._live.new_zeros(())

    def set_step(self, step: int) -> None:
        """Set the weight of the network's present values to that of update number ``step``, counted from 0."""
        half_life = min(self._half_life, (step + 1) / 2)
        if half_life != self._current_half_life:
            self._current_half_life = half_life
            self._weight.fill_(1.0 - 0.5 ** (1.0 / half_life) if half_life > 0 else 1.0)

    @torch.no_grad()
    def update(self, applied: Tensor | None = None) -> None:
        """Update the average with the network's weights in one kernel launch.

        Args:
            applied: whether the network was updated, a 0-dimensional boolean on the device; where false, the average
                stays as it is. None: it was.
        """
        self._averaged.lerp_(self._live, self._weight if applied is None else self._weight * applied)
        if self._copied:
            torch._foreach_copy_(self._copied, self._counters)


def _split_by_dtype(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return the floating-point tensors of a network, which are averaged, and the others (batch norm's counters)."""
    tensors = [*network.parameters(), *network.buffers()]
    averaged = [item for item in tensors if item.is_floating_point()]
    return averaged, [item for item in tensors if not item.is_floating_point()]


@torch.no_grad()
def _flatten_storage(tensors: list[Tensor]) -> Tensor:
    """Move dense tensors of one dtype and device into one storage, each as a view with the strides it had.

    Returns:
        The storage, ``(S,)``, with each tensor aligned to 64 bytes and zeros in between.
    """
    offsets = list(accumulate((-(-tensor.numel() // 16) * 16 for tensor in tensors), initial=0))
    storage = tensors[0].new_zeros(offsets[-1])
    for tensor, offset in zip(tensors, offsets, strict=False):
        view = storage.as_strided(tensor.shape, tensor.stride(), offset)
        view.copy_(tensor)
        tensor.data = view
    return storage
