"""A system that lacks what only Unix has, as Windows does: pretended in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SHORT, TINY
from tests.helpers.paths import ROOT
from tests.helpers.run_directories import has_reported, read_metrics, read_summary, wait_for
from tests.pretended_system import FOLDER

RUN = ("dataset=ring8", *TINY, *SHORT, "device.threads=1", "train.checkpoint_every=1", "hydra.run.dir=run")


@pytest.fixture
def environment() -> dict[str, str]:
    """Variables of a process on the system that lacks these things."""
    return {**os.environ, "PYTHONPATH": f"{FOLDER}{os.pathsep}{ROOT}"}


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", f"from gan_cli.cli.{module} import main; main()", *arguments]


@pytest.mark.slow
def test_commands_work_on_a_system_without_fcntl(environment: dict[str, str], workplace: Path) -> None:
    def run(module: str, *arguments: str) -> str:
        done = subprocess.run(
            command(module, *arguments), env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    for module in ("train", "sample", "evaluate", "export", "report", "bench"):
        run(module, "--help")
    run("train", *RUN, "dry_run=true")
    assert not Path("run").exists()
    output = run("train", *RUN)
    assert output.count("does not support locks") == 1
    run("train", "resume=run", "train.steps=4")
    assert read_summary()["step"] == 4
    run("sample", "run", "--n", "4", "--out", "a.npy")
    assert "| completed |" in run("report", "run")
    run("report", "run", "--html", "r.html")


@pytest.mark.slow
def test_a_killed_run_is_not_locked_for_ever_without_fcntl(environment: dict[str, str], workplace: Path) -> None:
    started = subprocess.Popen(
        command("train", *RUN, "train.steps=1000000"), env=environment, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(has_reported(Path("run"), 3))
    finally:
        started.send_signal(signal.SIGKILL)
        started.wait()
    reached = read_metrics()[-2]["step"]
    done = subprocess.run(
        command("train", "resume=run", f"train.steps={reached + 20}"),
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert read_summary()["step"] == reached + 20
