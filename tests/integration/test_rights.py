"""Places without the right to read or write them: one line with the name of the place, and no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SHORT, TINY, FinishedRun
from tests.helpers.paths import ROOT

RUN = ("dataset=ring8", *TINY, *SHORT, "train.checkpoint_every=1", "device.threads=1")
# Root without the capabilities by which it ignores rights.
WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")
COMMANDS = {
    "resume": ("train", "resume=run", "train.steps=3"),
    "sample": ("sample", "run", "--n", "2", "--out", "samples.npy"),
    "evaluate": ("evaluate", "run", "--n", "64"),
    "export": ("export", "run", "--format", "torch"),
    "report": ("report", "run"),
    "start": ("train", *RUN, "hydra.run.dir=run/new"),
    "data": ("train", *TINY, *SHORT, "dataset=mnist", "dataset.mirrors=[]", "dataset.root=run", "hydra.run.dir=new"),
}


def as_user(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user whom rights bind."""
    rights: tuple[str, ...] = ()
    if os.geteuid() == 0:
        tried = (
            subprocess.run([*WITHOUT_CAPABILITIES, "true"], capture_output=True, check=False)
            if shutil.which("setpriv")
            else None
        )
        if tried is None or tried.returncode:
            pytest.skip("root ignores rights, and its capabilities cannot be dropped")
        rights = WITHOUT_CAPABILITIES
    module, *arguments = COMMANDS[name]
    code = f"from gan_cli.cli.{module} import main; main()"
    return subprocess.run(
        [*rights, sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def run(finished_run: FinishedRun, workplace: Path) -> Iterator[Path]:
    yield finished_run(workplace / "run", *RUN)
    subprocess.run(["chmod", "-R", "u+rwX", str(workplace)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "place", "mode"),
    [
        ("resume", "", 0o000),
        ("resume", "", 0o555),
        ("resume", ".hydra", 0o000),
        ("resume", "checkpoints", 0o000),
        ("resume", "checkpoints", 0o555),
        ("resume", "checkpoints/last.pt", 0o000),
        ("resume", "metrics.jsonl", 0o000),
        ("sample", "", 0o000),
        ("sample", "checkpoints", 0o000),
        ("evaluate", "", 0o000),
        ("export", "checkpoints", 0o000),
        ("report", "", 0o000),
        ("report", ".hydra", 0o000),
        ("report", "metrics.jsonl", 0o000),
        ("start", "", 0o555),
        ("data", "", 0o000),
    ],
)
def test_place_without_rights_is_named(command: str, place: str, mode: int, run: Path) -> None:
    (run / place).chmod(mode)
    done = as_user(command, run.parent)
    assert done.returncode == (3 if command == "data" else 2), done.stderr
    assert "Traceback" not in done.stderr
    assert "Permission denied" in done.stderr
    assert (place or "run") in done.stderr
