"""Children end within seconds of the process that started them, whatever ended it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gan_cli.runtime import parent_watch
from tests.conftest import TINY
from tests.helpers.paths import ROOT
from tests.helpers.run_directories import has_reported, wait_for

pytestmark = pytest.mark.posix
POOL = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from gan_cli.runtime.parent_watch import children_end_with_this_process, end_with_parent

def work(seconds):
    print(os.getpid(), flush=True)
    time.sleep(seconds)

if __name__ == "__main__":
    with children_end_with_this_process():
        pool = ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), initializer=end_with_parent)
        for _ in range(2):
            pool.submit(work, 600)
        time.sleep(600)
"""
DEAF = """
import os, signal, subprocess, sys, time
from gan_cli.runtime import parent_watch

if sys.argv[1:]:
    parent_watch.GRACE_SECONDS = 0.5
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    parent_watch.end_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(600)
with parent_watch.children_end_with_this_process():
    subprocess.run([sys.executable, __file__, "child"])
"""


def start(command: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip


def ended(pid: int) -> bool:
    """Whether a process is gone, or only its exit status is left."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return not done.stdout.strip() or done.stdout.strip().startswith("Z")


@pytest.mark.parametrize(("code", "children"), [(POOL, 2), (DEAF, 1)])
def test_children_end_with_a_killed_parent(code: str, children: int, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(code)
    parent = start([sys.executable, "script.py"], tmp_path)
    try:
        assert parent.stdout is not None
        pids = [int(parent.stdout.readline()) for _ in range(children)]
        assert not any(map(ended, pids))
        parent.kill()
        parent.wait()
        wait_for(lambda: all(map(ended, pids)))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)


def test_child_of_another_process_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    with parent_watch.children_end_with_this_process():
        assert os.environ[parent_watch.PARENT] == str(os.getpid())
        parent_watch.end_with_parent()  # this process itself
    assert parent_watch.PARENT not in os.environ
    parent_watch.end_with_parent()
    assert not any(each.name == parent_watch.WATCHER for each in threading.enumerate())


@pytest.mark.slow
def test_jobs_of_a_sweep_end_with_it_and_keep_a_checkpoint(workplace: Path) -> None:
    arguments = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "dataset=ring8", *TINY, "train.batch_size=4")
    more = ("train.sample_every=0", "train.log_every=50", "train.steps=1000000", "seed=0,1", "hydra.sweep.dir=sweep")
    sweep = start([sys.executable, "-m", "gan_cli", "-m", *arguments, *more], workplace)
    wait_for(lambda: len(list(Path("sweep").glob("*/events.out.*"))) == 2)
    jobs = [path.parent for path in Path("sweep").glob("*/events.out.*")]
    wait_for(lambda: all(has_reported(job, 50)() for job in jobs))
    workers = {int(file.name.split(".")[-2]) for file in Path("sweep").glob("*/events.out.*")}
    assert sweep.pid not in workers
    sweep.kill()
    sweep.wait()
    wait_for(lambda: all(map(ended, workers)))
    assert all(list((job / "checkpoints").glob("*.pt")) for job in jobs)


@pytest.mark.slow
def test_workers_of_claims_end_with_their_parent(tmp_path: Path) -> None:
    options = ("--only", "optimal_discriminator", "--seeds", "2", "--jobs", "2", "--folder", str(tmp_path))
    steps = ("--override", "train.steps=1000000", "--override", "train.log_every=50")
    parent = start([sys.executable, "-m", "benchmarks.claims", *options, *steps], ROOT)
    wait_for(lambda: len(list(tmp_path.rglob("events.out.*"))) == 2)
    workers = {int(file.name.split(".")[-2]) for file in tmp_path.rglob("events.out.*")}
    assert len(workers) == 2
    assert parent.pid not in workers
    parent.kill()
    parent.wait()
    wait_for(lambda: all(map(ended, workers)))
