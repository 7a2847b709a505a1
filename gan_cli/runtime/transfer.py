"""Copies from the host to a device."""

from __future__ import annotations

import torch
from torch import Tensor


def move_without_waiting(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor of the host to a device: to a GPU from page-locked memory, for which the host does not wait."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
