"""Peak rate and memory of the device."""

from __future__ import annotations

import gc
import sys
import time

import torch

from gan_cli.bench.results import Peak
from gan_cli.runtime.device import Device
from gan_cli.runtime.synchronization import synchronizer

# Rows of square matrices that are large enough for the full speed, and are multiplied in less than a second.
SIZES = {"cpu": (1024, 2048)}
SIZES_OF_ACCELERATORS = (4096, 8192)
PRODUCTS = 5


def peak_rates(device: Device) -> Peak:
    """Measure the rate of the fastest of several products of square matrices in the number format of the run."""
    sizes = SIZES.get(device.torch_device.type, SIZES_OF_ACCELERATORS)
    rates = {size: 2 * size**3 / _product_seconds(device, size) for size in sizes}
    best = max(rates, key=lambda size: rates[size])
    return Peak(rates[best], best, "bf16" if device.autocast else "fp32")


def _product_seconds(device: Device, size: int) -> float:
    """Return the shortest time of several products of two matrices ``(size, size)``, in seconds."""
    synchronize = synchronizer(device.torch_device)
    a, b = torch.randn(2, size, size, device=device.torch_device, dtype=device.autocast or torch.float32)
    durations = []
    for _ in range(1 + PRODUCTS):
        synchronize()
        start = time.perf_counter()
        torch.mm(a, b)
        synchronize()
        durations.append(time.perf_counter() - start)
    return min(durations[1:])  # the first one chooses a kernel


# Unit in which the system reports the resident memory, in bytes.
RESIDENT_UNIT = 1 if sys.platform == "darwin" else 1024


def memory_meaning(device: torch.device) -> str:
    """Return what :func:`peak_memory` counts, in words for a person."""
    if device.type == "cuda":
        return "the most that tensors took of the device at a time"
    if _peak_resident() is None:
        return "unknown on this system"
    return "the most that the process had resident until then, torch and the rows above included"


def reset_peak_memory(device: torch.device) -> None:
    """Free the memory of earlier runs, and restart the count of :func:`peak_memory` where possible."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int | None:
    """Return the peak in bytes, since :func:`reset_peak_memory` on CUDA, else since the start of the process.

    None where the system does not count it.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _peak_resident()


def _peak_resident() -> int | None:
    """Return the peak of the process's resident memory in bytes; None where the system (Windows) does not count it."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RESIDENT_UNIT
