"""A program of a user's passes mypy in its strict mode, and the types are those that the pages promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

PROGRAM = """
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image
from torch import nn
from typing_extensions import assert_type

import gan_cli
from gan_cli.protocols.callbacks import ReportEvent


class Stop(gan_cli.Callback):
    def on_report(self, event: ReportEvent) -> ReportEvent | None:
        return replace(event, stop=True)


try:
    run = gan_cli.train("dataset=ring8", "train.steps=10", callbacks=[Stop()])
except gan_cli.errors.ConfigError as error:
    print(error)
    raise
assert_type(run, gan_cli.Run)
assert_type(run.path, Path)
assert_type(run.status, str)
assert_type(run.step, int)
assert_type(run.checkpoints, list[int])
assert_type(run.summary, dict[str, Any])
assert_type(run.sample(4, seed=1, label="cat", checkpoint="best"), npt.NDArray[np.float32])
assert_type(run.interpolate(1, 2, frames=4, truncation=0.7), npt.NDArray[np.float32])
assert_type(run.invert(run.sample(2)).latents, npt.NDArray[np.float32])
assert_type(run.directions(3).shares, npt.NDArray[np.float32])
assert_type(run.sentences(4), list[str])
assert_type(run.grid(4), Image)
assert_type(run.generator, nn.Module)
assert_type(run.evaluate(n=100, backbone=["pixels"]), dict[str, Any])
assert_type(run.resume("train.steps=20"), gan_cli.Run)
assert_type(gan_cli.open(Path("last")), gan_cli.Run)
assert_type(gan_cli.runs("outputs"), list[gan_cli.Run])
print(run.metrics["loss/d"], run.config.train.steps)
"""
MISTAKES = """
import gan_cli

gan_cli.train(3)
gan_cli.train("dataset=ring8", callbacks=[print])
gan_cli.open("last").sampel(3)
gan_cli.trian("dataset=ring8")
"""


def mypy(program: str, folder: Path) -> str:
    """What mypy says of a program."""
    (folder / "program.py").write_text(program)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml")]
    done = subprocess.run([*command, str(folder / "program.py")], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.slow
def test_program_of_a_user_is_typed(tmp_path: Path) -> None:
    assert mypy(PROGRAM, tmp_path).startswith("Success")


@pytest.mark.slow
def test_mistakes_in_a_program_are_found(tmp_path: Path) -> None:
    found = mypy(MISTAKES, tmp_path)
    for code, line in (("arg-type", 4), ("list-item", 5), ("attr-defined", 6), ("attr-defined", 7)):
        assert any(f"program.py:{line}:" in each and f"[{code}]" in each for each in found.splitlines()), found
