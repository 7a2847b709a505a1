"""The most memory that was in use."""

from __future__ import annotations

import gc
import resource
import sys

import torch

# Units of the system's figure, in bytes.
RESIDENT_UNIT = 1 if sys.platform == "darwin" else 1024


def meaning(device: torch.device) -> str:
    """What :func:`peak` counts, for a person."""
    if device.type == "cuda":
        return "the most that tensors took of the device at a time"
    return "the most that the process had resident until then, torch and the rows above included"


def reset(device: torch.device) -> None:
    """Let go of what earlier runs left, and count anew where that can be."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> int:
    """Bytes, since :func:`reset` on CUDA, else since the process began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RESIDENT_UNIT
