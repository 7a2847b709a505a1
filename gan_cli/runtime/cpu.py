"""CPU performance settings of the whole process: threads, precision of matrix products, memory allocation."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os

import torch

from gan_cli.runtime.container import ControlGroups
from gan_cli.runtime.cpu_contention import busy_cores, idle_threads

logger = logging.getLogger(__name__)

# Environment variable in which a launcher sets the number of cores of a job; empty for any number.
CORES = "GAN_CORES"
# Parameters of the C library's mallopt, from malloc.h: from which size on blocks get pages of their own, and how much
# free memory goes back to the system.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def assigned_cores() -> int | None:
    """Return the number of cores that the launcher has assigned to this job, or None where it has set none."""
    text = os.environ.get(CORES, "")
    return int(text) if text.isdecimal() and int(text) else None


def quota_cores(groups: ControlGroups | None = None) -> int | None:
    """Return the number of cores that a container's quota pays for, at least 1, or None where it has no quota."""
    quota = (groups or ControlGroups()).cpu_quota()
    return None if quota is None else max(1, int(quota))


def threads_beside_others(most: int) -> int:
    """Return the number of threads to compute with: ``most``, or as many as find a core that others leave idle."""
    busy = busy_cores()
    threads = idle_threads(most, busy)
    if threads < most:
        logger.info(
            "threads: %d of %d, since other processes keep %s busy (device.threads=%d insists)",
            *(threads, most, "a core" if busy == 1 else f"{busy} cores", most),
        )
    return threads


def choose_float32_matmul_precision(small_products: bool) -> None:
    """Choose the library of float32 products, by torch's matmul precision: oneDNN is "medium", MKL "highest".

    MKL leaves up to half the speed of AMD's AVX-512 unused, but its calls take less time beside the product itself.
    """
    precision = "medium" if not small_products and onednn_is_exact() else "highest"
    torch.set_float32_matmul_precision(precision)


def onednn_is_exact() -> bool:
    """Return whether products of the precision "medium" are still those of float32 numbers.

    They may round factors to bf16, and do so on processors with AMX; on others oneDNN still computes in float32. Which
    of the two holds is measured here.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        return all(map(_is_exact, (8, 64, 512)))
    finally:
        torch.set_float32_matmul_precision(before)


def _is_exact(size: int) -> bool:
    """Return whether a product of random matrices ``(size, size)`` is accurate to float32."""
    stream = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, size, size, generator=stream)
    exact = a.double() @ b.double()
    return bool((a @ b - exact).abs().max() < 1e-5 * exact.abs().max())


def keep_freed_memory() -> None:
    """Let the C library keep the memory that a step frees for the next one.

    By default it returns large blocks to the system and requests them again, and the system clears every page of them
    anew: up to half the time of a step whose tensors have a few megabytes each.
    """
    with contextlib.suppress(OSError, AttributeError):  # no such function outside glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def supports_bf16_matmul() -> bool:
    """Return whether the processor has instructions that multiply bf16 numbers, faster than float32 ones."""
    # Older versions of torch lack the function.
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
