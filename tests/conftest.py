"""What tests share: running the commands, in this process where that is enough and as real ones where it is not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gan_cli.cli import bench, evaluate, export, report, sample, train

# Before torch is loaded: tests run in several processes, whose threads would fight for the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Overrides that make any run small and quick.
TINY = ("architecture=mlp", "architecture.generator_hidden=[8]", "architecture.discriminator_hidden=[8]")
SHORT = ("train.steps=2", "train.batch_size=4", "train.log_every=1", "train.sample_count=4")

REAL_DATA = os.environ.get("GAN_DATA")


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    out: str
    err: str


Command = Callable[..., Finished]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; the data root is another."""
    monkeypatch.setenv("GAN_DATA", str(tmp_path / "data"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def real_data_root() -> Path:
    """The data root that this test run was given; skips the test where there is none."""
    if REAL_DATA is None:
        pytest.skip("needs real data: set GAN_DATA to a data root")
    return Path(REAL_DATA)


@pytest.fixture
def real_data() -> Path:
    """The data root that this test run was given."""
    return real_data_root()


def _in_process(main: Callable[[], Any], name: str, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Command:
    def run(*arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfd.readouterr()
        assert isinstance(left.value.code, int)
        return Finished(left.value.code, out, err)

    return run


@pytest.fixture
def gan_train(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """``gan-train`` in this process, in an empty working directory."""
    return _in_process(train.main, "gan-train", monkeypatch, capfd)


@pytest.fixture
def gan_sample(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """``gan-sample`` in this process, in an empty working directory."""
    return _in_process(sample.main, "gan-sample", monkeypatch, capfd)


@pytest.fixture
def gan_export(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """``gan-export`` in this process, in an empty working directory."""
    return _in_process(export.main, "gan-export", monkeypatch, capfd)


@pytest.fixture
def gan_eval(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """``gan-eval`` in this process, in an empty working directory."""
    return _in_process(evaluate.main, "gan-eval", monkeypatch, capfd)


@pytest.fixture
def gan_bench(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """``gan-bench`` in this process, in an empty working directory."""
    return _in_process(bench.main, "gan-bench", monkeypatch, capfd)


@pytest.fixture
def gan_report(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """``gan-report`` in this process, in an empty working directory."""
    return _in_process(report.main, "gan-report", monkeypatch, capfd)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, each record once: pytest hears loggers that do not propagate twice where they do after all."""
    return list({id(record): record.getMessage() for record in caplog.records}.values())


def start_gan_train(*arguments: object) -> subprocess.Popen[str]:
    """``gan-train`` as a process of its own, in the present working directory."""
    command = [sys.executable, "-m", "gan_cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
