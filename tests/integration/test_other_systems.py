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

# Loaded by Python before all else. Modules of gan_cli and of filelock find these modules missing, and these names in no
# module; other libraries, such as torch, were built for this system and keep them.
SITECUSTOMIZE = """
import builtins, os, signal, types

MISSING = {"fcntl", "grp", "pwd", "resource", "termios"}
NAMES = {
    os: {"getuid", "geteuid", "getgid", "fork", "mkfifo", "O_NONBLOCK", "sched_getaffinity", "killpg", "setsid"},
    signal: {"SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGALRM", "pthread_sigmask"},
}

def lacking(module):
    copy = types.ModuleType(module.__name__)
    copy.__dict__.update({name: value for name, value in vars(module).items() if name not in NAMES[module]})
    return copy

LACKING = {module.__name__: lacking(module) for module in NAMES}
importing = builtins.__import__

def without(name, globals=None, locals=None, fromlist=(), level=0):
    if not level and str((globals or {}).get("__name__")).startswith(("gan_cli", "filelock")):
        if name in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in LACKING:
            return LACKING[name]
    return importing(name, globals, locals, fromlist, level)

builtins.__import__ = without
"""
RUN = ("dataset=ring8", *TINY, *SHORT, "device.threads=1", "train.checkpoint_every=1", "hydra.run.dir=run")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables of a process on the system that lacks these things."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITECUSTOMIZE)
    return {**os.environ, "PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}"}


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
