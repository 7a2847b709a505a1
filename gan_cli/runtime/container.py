"""Limits of the container that this process runs in, as Linux's control groups (cgroup v1 and v2) tell them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Version 1 writes "no limit" as a number of about 2^63.
UNLIMITED = 2**60


@dataclass(frozen=True)
class ControlGroups:
    """Files of the control groups of a process.

    Attributes:
        mount: where the file systems of control groups are mounted.
        membership: file that names the groups of the process.
    """

    mount: Path = Path("/sys/fs/cgroup")
    membership: Path = Path("/proc/self/cgroup")

    def available_memory(self) -> int | None:
        """Return the bytes that the groups leave to allocate, pages of files aside; None without a limit."""
        left = []
        for folder in self._folders("memory"):
            limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
            if limit is not None and limit < UNLIMITED:
                used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
                left.append(max(0, limit - max(0, used - _file_pages(folder / "memory.stat"))))
        return min(left, default=None)

    def cpu_quota(self) -> float | None:
        """Return the processors that the groups may use in the mean, such as 1.5; None without a quota."""
        quotas = []
        for folder in self._folders("cpu"):
            quota, period = _pair(folder / "cpu.max") or (
                _number(folder / "cpu.cfs_quota_us"),
                _number(folder / "cpu.cfs_period_us"),
            )
            if quota is not None and period and quota > 0:
                quotas.append(quota / period)
        return min(quotas, default=None)

    def _folders(self, controller: str) -> Iterator[Path]:
        """Yield the folders of the groups with this controller, from the process's own up to the mounted root."""
        for line in _lines(self.membership):
            _, controllers, path = ([*line.split(":", 2), "", "", ""])[:3]
            if not controllers:  # version 2, also beside version 1
                roots = [self.mount, self.mount / "unified"]
            elif controller in controllers.split(","):
                roots = [self.mount / controller, self.mount / controllers]
            else:
                continue
            # Inside a container, the path may be that of the host, of which only the root can be seen.
            parts = [part for part in path.split("/") if part not in ("", "..")]
            for root in roots:
                yield from (root.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1))


def _lines(path: Path) -> list[str]:
    """Return the lines of a small file of the kernel; none where it cannot be read."""
    try:
        return path.read_text().splitlines()
    except (OSError, ValueError):
        return []


def _number(path: Path) -> int | None:
    """Return the number in a file; None where there is no file, or another word (``max``)."""
    words = " ".join(_lines(path)).split()
    return int(words[0]) if words and words[0].lstrip("-").isdecimal() else None


def _pair(path: Path) -> tuple[int | None, int | None] | None:
    """Return quota and period in a file of version 2, the quota None where it is ``max``; None where there is none."""
    words = " ".join(_lines(path)).split()
    if len(words) != 2 or not words[1].isdecimal():
        return None
    return (int(words[0]) if words[0].isdecimal() else None), int(words[1])


def _file_pages(path: Path) -> int:
    """Return the bytes of pages of files that the kernel gives up when memory is short."""
    entries = dict(line.split(maxsplit=1) for line in _lines(path) if len(line.split()) == 2)
    text = entries.get("total_inactive_file", entries.get("inactive_file", "0")).strip()
    return int(text) if text.isdecimal() else 0
