"""Runs of the claims: where each lies, when one is kept, and that an interrupted one continues."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.claims import progress
from benchmarks.claims.catalogue import CLAIMS
from benchmarks.claims.harness import PROCESSOR_SECONDS, Job, is_completed
from tests.helpers.paths import ROOT


def test_runs_are_distinguished_by_their_whole_configuration_but_the_place_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = CLAIMS["non_saturating_start"].arms[0]
    jobs = [Job(arm, 0), Job(arm, 1), Job(arm, 0, ("train.steps=3",)), Job(CLAIMS["non_saturating_start"].arms[1], 0)]
    run_dirs = [job.run_dir(tmp_path) for job in jobs]
    assert len(set(run_dirs)) == len(jobs)
    monkeypatch.setenv("GAN_DATA", str(tmp_path / "elsewhere"))
    assert [job.run_dir(tmp_path) for job in jobs] == run_dirs


@pytest.mark.parametrize(("content", "done"), [("completed", True), ("interrupted", False), (None, False)])
def test_only_a_completed_run_is_kept(content: str | None, done: bool, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "summary.json").write_text(json.dumps({"status": content}))
    assert is_completed(tmp_path) == done


@pytest.mark.slow
def test_an_interrupted_run_continues_to_the_same_numbers(tmp_path: Path) -> None:
    # In processes of their own: a signal ends them.
    short = ("train.steps=400", "train.checkpoint_every=400", "train.log_every=5", "train.sample_every=0")
    arm = replace(CLAIMS["optimal_discriminator"].arms[0], overrides=short)
    whole, stopped = (Job(arm, 0).run_dir(tmp_path / name) for name in ("whole", "stopped"))
    script = (
        "import sys; from pathlib import Path; from benchmarks.claims.claim import Arm;"
        " from benchmarks.claims.harness import Job, train_run;"
        f" train_run(Job(Arm({arm.name!r}, {arm.recipe!r}, {short!r}), 0), Path(sys.argv[1]))"
    )

    def start(folder: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / folder)], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )

    first = start("stopped")
    while (progress.last_step(stopped / "metrics.jsonl") or 0) < 50:
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    _, message = first.communicate(timeout=120)
    assert "interrupted; the same command continues from its checkpoint" in message
    assert not is_completed(stopped)
    before = float((stopped / PROCESSOR_SECONDS).read_text())
    for folder in ("stopped", "whole"):
        assert start(folder).wait(timeout=300) == 0
    assert is_completed(stopped)
    assert "continuing from step" in (stopped / "train.log").read_text()
    assert float((stopped / PROCESSOR_SECONDS).read_text()) > before

    def numbers(run: Path) -> list[dict[str, float]]:
        lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        return [{tag: value for tag, value in line.items() if not tag.startswith(("time", "speed/"))} for line in lines]

    assert numbers(stopped) == numbers(whole)
