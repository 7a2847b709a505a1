"""What a decoder's numbers stand for before they are bounded."""

from __future__ import annotations

import torch
from torch import Tensor


def bounded(logits: Tensor) -> Tensor:
    """The samples that logits stand for, of the same shape.

    Images, ``(N, C, H, W)``: ``tanh(logits / 2)`` in [-1, 1], which is ``2 p - 1`` where the logits are the log-odds of
    p. Points, ``(N, D)``: the numbers themselves; at the edge of a bound, modes could hardly be reached.
    """
    return torch.tanh(logits / 2) if logits.dim() == 4 else logits
