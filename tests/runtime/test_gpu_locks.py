"""One GPU a run: real processes claim from a list of GPUs that only exist by name."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from gan_cli.config.schema import DeviceKind, DeviceSection
from gan_cli.errors import ConfigError
from gan_cli.runtime import gpu_locks
from gan_cli.runtime.device import Workload, choose

GPUS = ("GPU-a", "GPU-b", "GPU-c", "GPU-d")
# Claims, says what it has, and keeps it until its input ends.
CLAIMANT = """
import logging, sys
from pathlib import Path
from gan_cli.runtime import gpu_locks
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
print(gpu_locks.choose("auto", sys.argv[2].split(","), Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


class Claimant:
    """A process that claims a GPU and keeps it."""

    def __init__(self, folder: Path, gpus: tuple[str, ...]) -> None:
        command = [sys.executable, "-c", CLAIMANT, str(folder), ",".join(gpus)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines: list[str] = []

    def index(self) -> int:
        """What it has claimed; waits until it has."""
        assert self.process.stdout is not None
        while not self.lines or not self.lines[-1].isdecimal():
            line = self.process.stdout.readline()
            assert line, "the claimant has died"
            self.lines.append(line.strip())
        return int(self.lines[-1])

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


Start = Callable[..., list[Claimant]]


@pytest.fixture
def claimants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts so many processes that claim at once."""
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with ExitStack() as alive:

        def start(count: int, gpus: tuple[str, ...] = GPUS) -> list[Claimant]:
            started = [Claimant(tmp_path / "locks", gpus) for _ in range(count)]
            for claimant in started:
                alive.callback(claimant.kill)
            return started

        yield start


@pytest.mark.locks
def test_no_gpu_is_taken_twice_while_another_is_free(claimants: Start) -> None:
    first = claimants(4)
    assert sorted(claimant.index() for claimant in first) == [0, 1, 2, 3]
    freed = first[1].index()
    first[1].kill()
    (late,) = claimants(1)
    assert late.index() == freed, "what a killed process held is free again"
    assert late.lines == [str(freed)], "nothing to say of it"


@pytest.mark.locks
def test_gpus_are_shared_evenly_when_all_are_taken_and_the_log_says_so(claimants: Start) -> None:
    crowd = claimants(8)
    assert Counter(claimant.index() for claimant in crowd) == {0: 2, 1: 2, 2: 2, 3: 2}
    assert sum(claimant.lines[0].startswith("device: all 4 GPUs are taken") for claimant in crowd) == 4


@pytest.mark.locks
def test_a_gpu_is_the_same_under_whatever_number_it_is_visible(claimants: Start) -> None:
    (one,) = claimants(1, ("GPU-c",))
    assert one.index() == 0
    (other,) = claimants(1, ("GPU-c", "GPU-a"))
    assert other.index() == 1


def test_a_process_keeps_its_gpu_for_all_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert [gpu_locks.choose("auto", GPUS, tmp_path) for _ in range(3)] == [0, 0, 0]


def test_a_number_insists(tmp_path: Path) -> None:
    assert [gpu_locks.choose(3, GPUS, tmp_path) for _ in range(2)] == [3, 3]
    with pytest.raises(ConfigError, match=r"device\.index: expected auto or 0 to 3, got 4"):
        gpu_locks.choose(4, GPUS, tmp_path)


def test_processes_of_torchrun_have_one_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert gpu_locks.choose("auto", GPUS, tmp_path) == 2
    with pytest.raises(ConfigError, match="--nproc-per-node=1"):
        gpu_locks.choose("auto", GPUS[:1], tmp_path)


def test_only_cuda_devices_have_numbers() -> None:
    section = DeviceSection(kind=DeviceKind.cpu, index=1)
    with pytest.raises(ConfigError, match=r"device\.index: expected auto on cpu, got 1"):
        choose(section, Workload(1, convolutional=False, widest=1))


@pytest.mark.parametrize(("meant", "threads"), [("1", 1), ("3", 3), ("64", 4), ("", 2)])
def test_a_job_takes_the_cores_that_its_launcher_means_it_to(
    meant: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gan_cli.runtime.device.DEFAULT_THREADS", 4)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(4)), raising=False)
    monkeypatch.setattr("gan_cli.runtime.cpu.busy_cores", lambda: 2)
    monkeypatch.setenv("GAN_CORES", meant)
    before = torch.get_num_threads()
    try:
        choose(DeviceSection(kind=DeviceKind.cpu), Workload(10**9, convolutional=False, widest=1))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.gpu
def test_a_run_on_a_gpu_knows_its_number() -> None:
    chosen = choose(DeviceSection(kind=DeviceKind.cuda), Workload(1, convolutional=False, widest=1))
    assert chosen.torch_device == torch.empty(1, device="cuda").device
    assert chosen.facts()["index"] == chosen.torch_device.index
