"""Modules that a command loads: what it does not need would make up most of the time to its first line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import SHORT, TINY
from tests.helpers.preloaded import PreloadedProcess

# Slow to load, or for other commands.
NEVER = (
    *("torch._dynamo", "torch._inductor", "sympy", "torch.utils.tensorboard", "tensorboard.compat.tensorflow_stub"),
    *("boto3", "onnx", "onnxscript", "matplotlib", "pandas", "sklearn", "datasets"),
)
RING = ("dataset=ring8", "architecture=mlp_small", "train.steps=2", "train.log_every=1")


def _loaded(folder: Path, command: str, *arguments: object) -> set[str]:
    file = folder / "modules.json"
    process = PreloadedProcess("tests.helpers.loaded_modules", [file, command, *arguments], folder=folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    return set(json.loads(file.read_text()))


def _unwanted(modules: set[str]) -> set[str]:
    return {name for name in modules if name in NEVER or name.partition(".")[0] in NEVER}


@pytest.mark.parametrize(
    "overrides",
    [
        ("architecture=dcgan", "dataset=digits", *SHORT[:1]),
        (*TINY, "loss=wgan", *SHORT),
        (*RING, "optimizer=sgd", "loss/penalty=r1"),
    ],
    ids=["digits", "wgan", "sgd"],
)
def test_training_loads_no_compiler_and_nothing_of_other_commands(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    run = f"hydra.run.dir={tmp_path / 'run'}"
    assert _unwanted(_loaded(tmp_path, "train", *overrides, run)) == set()
    assert (tmp_path / "run" / "summary.json").is_file()


def test_a_resumed_run_and_its_samples_do_neither(tmp_path: Path) -> None:
    _loaded(tmp_path, "train", *RING, f"hydra.run.dir={tmp_path / 'run'}")
    assert _unwanted(_loaded(tmp_path, "train", f"resume={tmp_path / 'run'}", "train.steps=3")) == set()
    assert _unwanted(_loaded(tmp_path, "sample", tmp_path / "run", "--n", 4)) == set()
