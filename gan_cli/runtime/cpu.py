"""What a CPU computes fast with: threads, products of matrices, memory. Switches of the whole process."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os

import torch

from gan_cli.runtime.cpu_contention import busy_cores

logger = logging.getLogger(__name__)

# The environment variable in which a launcher says how many cores are meant for a job; empty: any number.
CORES = "GAN_CORES"
# Parameters of the C library's mallopt, from malloc.h: from which size on blocks get pages of their own, and how much
# free memory goes back to the system.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def assigned_cores() -> int | None:
    """Cores that the launcher of this job means it to use, or None where nobody has said."""
    said = os.environ.get(CORES, "")
    return int(said) if said.isdecimal() and int(said) else None


def idle_cores(usual: int) -> int:
    """Threads for networks that gain by several: ``usual``, but no more than find a core of their own."""
    busy = busy_cores()
    threads = max(1, usual - busy)
    if threads < usual:
        logger.info(
            "threads: %d of %d, since other processes keep %d busy (device.threads=%d insists)",
            threads,
            usual,
            busy,
            usual,
        )
    return threads


def choose_float32_matmul_precision() -> None:
    """Let products of float32 matrices be computed by whatever is fastest and exact.

    Where torch would use MKL, which leaves half the speed of AMD's AVX-512 unused, "medium" makes it use oneDNN. That
    may round factors to bf16, and on processors with AMX does; on others it computes in float32 all the same, which is
    tried out here.
    """
    torch.set_float32_matmul_precision("medium")
    if not all(map(_is_exact, (8, 64, 512))):
        torch.set_float32_matmul_precision("highest")


def _is_exact(size: int) -> bool:
    """Whether a product of float32 matrices, ``(size, size)``, is one of float32 numbers."""
    stream = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, size, size, generator=stream)
    exact = a.double() @ b.double()
    return bool((a @ b - exact).abs().max() < 1e-5 * exact.abs().max())


def keep_freed_memory() -> None:
    """Keep what a step frees for the next one.

    The C library returns large blocks to the system and asks for them again, and the system clears every page of them
    anew: up to half the time of a step whose tensors have a few megabytes each.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library has other ways
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def supports_bf16_matmul() -> bool:
    """Whether the processor has instructions that multiply bf16 numbers, faster than float32 ones."""
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # not in older versions
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
