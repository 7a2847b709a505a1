"""Whole runs on a CUDA device that is not there: nothing mixes devices, and nothing in a captured step asks the host.

Options are found by listing ``conf/``, so a new loss, penalty or augmentation is run without an edit here. All runs are
made by two processes that share the work, as importing torch takes longer than most of them; each takes the next run
that waits.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.conftest import locked
from tests.helpers.paths import ROOT
from tests.pretended_gpu import library, runs

CHILDREN = 2
# Name of a run -> what went wrong in it.
Errors: TypeAlias = Mapping[str, list[str]]


@pytest.fixture(scope="module")
def errors(request: pytest.FixtureRequest, shared_folder: Path) -> Errors:
    """What was found in the runs that are selected; found once for all workers of this test run."""
    reason = library.why_not()
    if reason is not None:
        pytest.skip(reason)
    items = [item for item in request.session.items if item.path == request.path]
    selected = {callspec.params["name"] for item in items if (callspec := getattr(item, "callspec", None))}
    results = shared_folder / "pretended_gpu.json"
    with locked(shared_folder / "pretended_gpu.lock"):
        if not results.exists():
            names = [name for name in (*runs.names(), *runs.PLANTED) if name in selected]
            results.write_text(json.dumps(_run_all(names, shared_folder / "pretended_gpu")))
    found: Errors = json.loads(results.read_text())
    return found


def _run_all(names: list[str], folder: Path) -> Errors:
    library.compiled()
    folder.mkdir()
    waiting = deque(names)
    with ThreadPoolExecutor(CHILDREN) as pool:
        parts = list(pool.map(lambda part: _run_in_child(waiting, folder, part), range(CHILDREN)))
    found = {name: errors for part in parts for name, errors in part.items()}
    return {**{name: ["not run: every process ended before"] for name in waiting}, **found}


def _run_in_child(waiting: deque[str], folder: Path, part: int) -> dict[str, list[str]]:
    """Let a process of its own run one after the other of those that wait, which the other processes take from, too."""
    command = [sys.executable, "-W", "error::UserWarning", "-m", "tests.pretended_gpu", "--folder", str(folder), "-"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}  # a core for each child
    errors: dict[str, list[str]] = {}
    log = folder / f"child_{part}.log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        while child.poll() is None and (name := _next(waiting)) is not None:
            with contextlib.suppress(BrokenPipeError):
                print(name, file=child.stdin, flush=True)
            line = child.stdout.readline()
            status = None if line else child.wait()
            ended = f"the process ended with status {status}: {log.read_text()[-2000:]}"
            errors[name] = json.loads(line)["errors"] if line else [ended]
    return errors


def _next(waiting: deque[str]) -> str | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


@pytest.mark.parametrize("name", runs.names())
def test_run_passes(name: str, errors: Errors) -> None:
    assert errors[name] == []


@pytest.mark.parametrize("name", runs.PLANTED)
def test_planted_mistake_is_caught_where_it_is(name: str, errors: Errors) -> None:
    (error,) = errors[name]
    assert runs.PLANTED[name].error in error
    assert str(Path(*runs.MISTAKES.split(".")).with_suffix(".py")) in error or error == runs.PLANTED[name].error


# A measurement, and ten thousand steps in a process of its own.
ONLY_ON_A_GPU = (
    "tests/bench/test_benchmark.py::test_recorded_steps_have_figures",
    "tests/soak/test_soak.py::test_no_growth_on_a_gpu",
)


@pytest.mark.slow
def test_tests_for_a_gpu_pass_on_the_pretended_one() -> None:
    reason = library.why_not()
    if reason is not None:
        pytest.skip(reason)
    deselected = [f"--deselect={name}" for name in ONLY_ON_A_GPU]
    arguments = ["-p", "tests.pretended_gpu.plugin", "-m", "gpu", "-n", "0", *deselected, "tests"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-3000:]
