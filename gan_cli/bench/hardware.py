"""Floating-point operations: what a step asks for, and what the device can do."""

from __future__ import annotations

import gc
import resource
import sys
import time

import torch
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

from gan_cli.bench.results import Peak, Work
from gan_cli.bench.trial import StepBenchmark, synchronizer
from gan_cli.runtime.device import Device

# Rows of square matrices that are large enough to be multiplied at full speed, and take no seconds.
SIZES = {"cpu": (1024, 2048)}
SIZES_OF_ACCELERATORS = (4096, 8192)
PRODUCTS = 5


class _NoModuleTracker(ModuleTracker):
    """Counts go to no module: the hooks that would tell which do not bear the gradient of a gradient."""

    def __enter__(self) -> _NoModuleTracker:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def count_work(trial: StepBenchmark) -> Work:
    """The work of a step, counted over as many steps as differ; the trial has to run as it is, eagerly."""
    before = trial.algorithm.images_seen
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _NoModuleTracker()
    with counter:
        trial.advance(trial.period)
    flops = counter.get_total_flops() / trial.period
    images = (trial.algorithm.images_seen - before) / trial.period
    return Work(flops, images, flops / images)


def peak_rates(device: Device) -> Peak:
    """The fastest of several products of square matrices in the run's number format."""
    sizes = SIZES.get(device.torch_device.type, SIZES_OF_ACCELERATORS)
    rates = {size: 2 * size**3 / _product_seconds(device, size) for size in sizes}
    best = max(rates, key=lambda size: rates[size])
    return Peak(rates[best], best, "bf16" if device.autocast else "fp32")


def _product_seconds(device: Device, size: int) -> float:
    """The shortest time of a product of two matrices ``(size, size)``."""
    synchronize = synchronizer(device.torch_device)
    a, b = torch.randn(2, size, size, device=device.torch_device, dtype=device.autocast or torch.float32)
    spent = []
    for _ in range(1 + PRODUCTS):
        synchronize()
        start = time.perf_counter()
        torch.mm(a, b)
        synchronize()
        spent.append(time.perf_counter() - start)
    return min(spent[1:])  # the first one chooses a kernel


# Units of the system's figure, in bytes.
RESIDENT_UNIT = 1 if sys.platform == "darwin" else 1024


def memory_meaning(device: torch.device) -> str:
    """What :func:`peak` counts, for a person."""
    if device.type == "cuda":
        return "the most that tensors took of the device at a time"
    return "the most that the process had resident until then, torch and the rows above included"


def reset_peak_memory(device: torch.device) -> None:
    """Let go of what earlier runs left, and count anew where that can be."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    """Bytes, since :func:`reset` on CUDA, else since the process began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RESIDENT_UNIT
