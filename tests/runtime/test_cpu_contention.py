"""Other processes on the same cores are noticed: before a run, and while it is under way."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
import torch

from gan_cli.config.schema import DeviceKind, DeviceSection
from gan_cli.protocols.callbacks import StartEvent
from gan_cli.runtime import cpu, cpu_contention, device
from gan_cli.runtime.cpu_contention import ContentionDetector, CpuUsage, busy_cores
from gan_cli.runtime.device import Workload, choose
from gan_cli.telemetry.console import Progress
from tests.conftest import SHORT, TINY, Command, log_messages

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


def test_what_the_system_tells_is_seconds_of_computing() -> None:
    start = CpuUsage.now()
    while time.process_time() - start.process < 0.3:
        pass
    end = CpuUsage.now()
    assert end.cores - start.cores > 0.2


@pytest.mark.parametrize(("busy", "threads"), [(0, 4), (1, 3), (9, 1)])
def test_large_networks_get_the_cores_that_are_idle(busy: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "DEFAULT_THREADS", 4)
    monkeypatch.setattr(cpu, "busy_cores", lambda: busy)
    choose(DeviceSection(kind=DeviceKind.cpu), LARGE)
    assert torch.get_num_threads() == threads
    choose(DeviceSection(kind=DeviceKind.cpu, threads=2), LARGE)
    assert torch.get_num_threads() == 2


def test_resumed_run_computes_with_the_threads_it_had(
    gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = (*SHORT, *TINY, "hydra.run.dir=run")
    monkeypatch.setattr(device, "MIN_FLOPS_FOR_THREADS", 0)
    monkeypatch.setattr(cpu, "busy_cores", lambda: 0)
    assert gan_train(*run).status == 0
    usual = torch.get_num_threads()
    monkeypatch.setattr(cpu, "busy_cores", lambda: 99)
    assert gan_train("resume=run", "train.steps=3").status == 0
    assert torch.get_num_threads() == usual
    assert gan_train("resume=run", "train.steps=4", "device.threads=1").status == 0
    assert torch.get_num_threads() == 1


def test_losses_are_noticed_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(logging.getLogger("gan_cli"), "propagate", True)
    losses = iter([0, 0, 10**6, 10**7, 10**8, 10**9])
    monkeypatch.setattr(cpu_contention, "_preemptions", lambda: next(losses))
    progress = Progress(10, threads=2)
    progress.on_start(StartEvent(0))
    for step in range(4):
        progress.show_metrics(step, {"x": 1.0})
    progress.close()
    assert sum("device.threads=1" in line for line in log_messages(caplog)) == 1


def test_one_thread_has_nothing_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter(range(0, 10**9, 10**6))
    monkeypatch.setattr(cpu_contention, "_preemptions", lambda: next(losses))
    assert not any(ContentionDetector(1).detected() for _ in range(5))
