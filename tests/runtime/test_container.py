"""Limits of a container, as its control groups tell them, and the memory that is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_cli.runtime import cpu
from gan_cli.runtime.container import ControlGroups
from gan_cli.runtime.memory import available_host_memory

INFO = "MemTotal:       8000 kB\nMemAvailable:   4000 kB\nSwapFree:       1000 kB\n"


def groups(folder: Path, membership: str, files: dict[str, str]) -> ControlGroups:
    (folder / "membership").write_text(membership)
    for name, text in files.items():
        path = folder / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return ControlGroups(folder / "mount", folder / "membership")


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/\n", {"memory.max": "1000000\n", "memory.current": "300000\n"}, 700_000),
        ("0::/\n", {"memory.max": "9", "memory.current": "30\n"}, 0),
        # Pages of files are given up when memory is short.
        (
            "0::/\n",
            {"memory.max": "1000", "memory.current": "300", "memory.stat": "anon 1\ninactive_file 100\n"},
            800,
        ),
        # The smallest of all groups above holds.
        ("0::/a/b\n", {"memory.max": "1000", "a/memory.max": "500", "a/b/memory.max": "max"}, 500),
        # The path is that of the host, and only the root is mounted.
        ("4:memory:/docker/x\n", {"memory/memory.limit_in_bytes": "4096", "memory/memory.usage_in_bytes": "96"}, 4000),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("3:cpu:/\n", {"memory/memory.limit_in_bytes": "4096"}, None),
        ("nonsense\n0::\n", {"memory.max": "many words"}, None),
    ],
)
def test_memory_that_a_container_leaves(
    membership: str, files: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    assert groups(tmp_path, membership, files).available_memory() == expected


@pytest.mark.parametrize(
    ("membership", "files", "quota", "cores"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, None, None),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 2.5, 2),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5, 1),
        ("2:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None, None),
        (
            "2:cpu,cpuacct:/\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "300000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            3,
            3,
        ),
        ("0::/\n", {"cpu.max": "x y z"}, None, None),
        ("", {}, None, None),
    ],
)
def test_cores_that_a_quota_pays_for(
    membership: str, files: dict[str, str], quota: float | None, cores: int | None, tmp_path: Path
) -> None:
    found = groups(tmp_path, membership, files)
    assert found.cpu_quota() == quota
    assert cpu.quota_cores(found) == cores


def test_memory_is_the_smaller_of_the_container_and_the_system(tmp_path: Path) -> None:
    info = tmp_path / "meminfo"
    info.write_text(INFO)
    unlimited = groups(tmp_path, "0::/\n", {"memory.max": "max"})
    assert available_host_memory(unlimited, info) == 5000 * 1024
    limited = groups(tmp_path, "0::/\n", {"memory.max": "4096"})
    assert available_host_memory(limited, info) == 4096
    elsewhere = available_host_memory(unlimited, tmp_path / "nowhere")
    assert elsewhere is None or elsewhere > 0
