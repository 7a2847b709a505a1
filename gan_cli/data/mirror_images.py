"""Mirror images among the samples of a batch: an index beyond the last row stands for one."""

from __future__ import annotations

import torch
from torch import Tensor


def split_mirrored(indices: Tensor, total: int) -> tuple[Tensor, Tensor]:
    """Split indices of :class:`EpochOrder` into rows of an array of ``total``, and whether they are mirrored."""
    return indices % total, indices >= total


def mirror_some(samples: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror the samples ``(N, ..., W)``, of any dtype, where ``(N,)`` bool says so, along their last axis."""
    return torch.where(mirrored.reshape(-1, *(1,) * (samples.dim() - 1)), samples.flip(-1), samples)
