"""Waiting for a device, whose operations go on after the calls that begin them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch


def synchronizer(device: torch.device) -> Callable[[], None]:
    """Return a function that waits for a device."""
    functions: dict[str, Callable[[], None]] = {
        "cuda": partial(torch.cuda.synchronize, device),
        "mps": torch.mps.synchronize,
    }
    return functions.get(device.type, _no_wait)


def _no_wait() -> None:
    """Wait for a CPU, whose operations have ended when their calls return."""
