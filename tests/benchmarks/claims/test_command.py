"""``python -m benchmarks.claims``: its help, one claim from run to page, and mistakes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from benchmarks.claims import page
from benchmarks.claims.__main__ import times
from benchmarks.claims.catalogue import CLAIMS
from gan_cli.telemetry.quantities import format_duration
from tests.helpers.paths import ROOT
from tests.helpers.preloaded import PreloadedProcess


def claims(*arguments: object) -> subprocess.CompletedProcess[str]:
    process = PreloadedProcess("benchmarks.claims", arguments, folder=ROOT)
    out, err = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.wait(), out, err)


def test_help_sums_the_page_s_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    one = page.processor_seconds(Path("docs/claims.md").read_text())
    assert set(one) == set(CLAIMS)
    assert f"all claims {format_duration(sum(one.values()) * 5)} with 5 seeds" in times()
    for name, seconds in one.items():
        assert f"{name} {format_duration(seconds)}" in times()


@pytest.mark.slow
def test_quickest_claim_runs_and_is_not_trained_twice(tmp_path: Path) -> None:
    arguments = ["--only", "optimal_discriminator", "--seeds", 2, "--folder", tmp_path, "--override", "train.steps=5"]
    arguments += ["--override", "train.checkpoint_every=5", "--override", "train.log_every=5"]
    done = claims(*arguments)
    assert done.returncode == 0, done.stderr
    assert re.search(r"optimal_discriminator: does not hold \(.*mean abs\. error of D", done.stdout)
    assert str(tmp_path / "images/claims/optimal_discriminator.png") in done.stdout
    assert "what you should see: " in done.stdout
    assert re.search(r"\d of 2 runs done", done.stderr)
    text = (tmp_path / "claims_changed.md").read_text()
    assert "| seed 0 | seed 1 |" in text
    assert (tmp_path / "images/claims/optimal_discriminator.png").stat().st_size < 100_000
    logs = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("train.log")}
    assert len(logs) == 2
    again = claims(*arguments)
    assert again.returncode == 0, again.stderr
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("train.log")} == logs


def test_mistakes_cost_a_line(tmp_path: Path) -> None:
    done = claims("--only", "optimal_discriminator", "--folder", tmp_path, "--override", "train.steps=0", "--seeds", 1)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["train.steps: expected an integer from 1 to 1,000,000,000, got 0"]
    assert claims("--only", "nothing").returncode == 2
