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


def _command(name: str, main: Callable[[], Any]) -> Any:
    """A fixture: the command in this process, in an empty working directory."""

    @pytest.fixture
    def command(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
        return _in_process(main, name, monkeypatch, capfd)

    return command


gan_train = _command("gan-train", train.main)
gan_sample = _command("gan-sample", sample.main)
gan_export = _command("gan-export", export.main)
gan_eval = _command("gan-eval", evaluate.main)
gan_bench = _command("gan-bench", bench.main)
gan_report = _command("gan-report", report.main)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, each record once: pytest hears loggers that do not propagate twice where they do after all."""
    return list({id(record): record.getMessage() for record in caplog.records}.values())


def start_gan_train(*arguments: object) -> subprocess.Popen[str]:
    """``gan-train`` as a process of its own, in the present working directory."""
    command = [sys.executable, "-m", "gan_cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
