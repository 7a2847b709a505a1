"""Memory that there is to allocate: on a device, on the host, and in the container that the process runs in."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from gan_cli.runtime.container import ControlGroups

MEMORY_INFO = Path("/proc/meminfo")
# Of this process: its memory, and where a 5 sets its largest so far to what it has now.
PROCESS_STATUS, PROCESS_CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def available_memory(device: torch.device) -> int | None:
    """Return the bytes that can be allocated on a device, or None where nothing tells."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_host_memory()


def available_host_memory(groups: ControlGroups | None = None, info: Path = MEMORY_INFO) -> int | None:
    """Return the bytes that can be allocated on the host: the smaller of its free memory and what a container leaves.

    Args:
        groups: control groups of this process; None: those that the system shows.
        info: file in which Linux tells of its memory.
    """
    left = [(groups or ControlGroups()).available_memory(), _system_memory(info)]
    return min((each for each in left if each is not None), default=None)


def _system_memory(info: Path) -> int | None:
    """Return the bytes of memory that are free or can be freed, swap included; elsewhere than on Linux, all memory."""
    try:
        fields = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        return sum(int(fields[name].split()[0]) for name in ("MemAvailable", "SwapFree")) * 1024
    except (OSError, ValueError, LookupError):
        pass
    return total_host_memory()


def total_host_memory() -> int | None:
    """Return the bytes of the host's memory, or None where the system (Windows) does not tell Python."""
    try:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return None


class PeakMemory:
    """Largest memory from here on: what is allocated on a GPU, or all that the process has on the host."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._known = True
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            try:
                PROCESS_CLEAR.write_text("5")
            except OSError:  # another system than Linux, or a container that forbids it
                self._known = False

    def read(self) -> int:
        """Return the largest number of bytes so far; 0 where the system does not tell."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        if not self._known:
            return 0
        lines = PROCESS_STATUS.read_text().splitlines()
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
