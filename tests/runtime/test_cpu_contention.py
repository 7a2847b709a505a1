"""Other processes on the same cores are noticed: before a run, and while it is under way."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from gan_cli.config.schema import DeviceKind, DeviceSection
from gan_cli.runtime import cpu, cpu_contention, device
from gan_cli.runtime.cpu_contention import ContentionMonitor, CpuUsage, busy_cores
from gan_cli.runtime.device import Workload, choose
from tests.conftest import SHORT, TINY, Command

LARGE = Workload(10**10, convolutional=True, widest=2**20)


@pytest.mark.parametrize(
    ("others", "busy"), [(0.0, 0), (0.4, 0), (0.6, 1), (2.2, 2), (-0.5, 0)], ids=["idle", "hardly", "one", "two", "odd"]
)
def test_busy_cores_are_those_of_others(others: float, busy: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over two seconds, in which this process has computed for one and a half itself."""
    now = CpuUsage(wall=12.0, cores=101.5 + 2 * others, process=6.5)
    monkeypatch.setattr(CpuUsage, "now", classmethod(lambda cls: now))
    assert busy_cores(CpuUsage(wall=10.0, cores=100.0, process=5.0)) == busy


@pytest.mark.parametrize("text", ["", "cpu0 1 2", "cpu0 a b c d e f g", "nothing of the kind"])
def test_a_system_that_does_not_tell_has_no_busy_cores(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self: text)
    assert busy_cores(CpuUsage.now()) == 0


@pytest.mark.skipif(not hasattr(cpu_contention.os, "sched_getaffinity"), reason="the system does not tell")
def test_what_the_system_tells_is_seconds_of_computing() -> None:
    start = CpuUsage.now()
    while time.process_time() - start.process < 0.3:
        pass
    end = CpuUsage.now()
    assert end.cores - start.cores > 0.2


@pytest.mark.parametrize(("busy", "threads"), [(0, 4), (1, 3), (9, 1)])
def test_large_networks_get_the_cores_that_are_idle(busy: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "DEFAULT_THREADS", 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)), raising=False)
    monkeypatch.setattr(cpu, "busy_cores", lambda: busy)
    choose(DeviceSection(kind=DeviceKind.cpu), LARGE)
    assert torch.get_num_threads() == threads
    choose(DeviceSection(kind=DeviceKind.cpu, threads=2), LARGE)
    assert torch.get_num_threads() == 2


def test_resumed_run_computes_with_the_threads_it_had(
    gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = (*SHORT, *TINY, "hydra.run.dir=run")
    monkeypatch.setattr(device, "MIN_FLOPS_PER_THREAD", 1)
    monkeypatch.setattr(cpu, "busy_cores", lambda: 0)
    assert gan_train(*run).status == 0
    usual = torch.get_num_threads()
    monkeypatch.setattr(cpu, "busy_cores", lambda: 99)
    assert gan_train("resume=run", "train.steps=3").status == 0
    assert torch.get_num_threads() == usual
    assert gan_train("resume=run", "train.steps=4", "device.threads=1").status == 0
    assert torch.get_num_threads() == 1


def monitor_of(loads: list[int], most: int, monkeypatch: pytest.MonkeyPatch) -> ContentionMonitor:
    """A monitor on four cores whose windows, each over at once, see these loads."""
    seen = iter(loads)
    monkeypatch.setattr(cpu_contention, "WINDOW", 0.0)
    monkeypatch.setattr(cpu_contention, "busy_cores", lambda start: next(seen))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)), raising=False)
    return ContentionMonitor(most)


def test_a_load_suggests_threads_once_two_windows_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = [0, 0, 1, 0, 1, 1, 3, 3, 9, 9, 0, 0]
    monitor = monitor_of(loads, 4, monkeypatch)
    assert [monitor.suggestion() for _ in loads] == [None, 4, None, None, None, 3, None, 1, 1, 1, None, 4]


def test_cores_that_a_run_does_not_use_are_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = [2, 2, 3, 3]
    monitor = monitor_of(loads, 2, monkeypatch)
    assert [monitor.suggestion() for _ in loads] == [None, 2, None, 1]


def test_nothing_is_suggested_within_a_window_nor_to_a_run_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = monitor_of([1, 1], 1, monkeypatch)
    assert [alone.suggestion() for _ in range(3)] == [None] * 3
    monitor = monitor_of([1, 1], 4, monkeypatch)
    monkeypatch.setattr(cpu_contention, "WINDOW", 1000.0)
    assert [monitor.suggestion() for _ in range(3)] == [None] * 3
