"""Runs on arrays of any depth and number of channels: trained, resumed, sampled, evaluated and exported."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from gan_cli.config.compose import register
from gan_cli.config.resume import recompose
from gan_cli.errors import ConfigError
from gan_cli.storage.run_directory import RunDirectory
from tests.conftest import Command
from tests.helpers.deep_pictures import read_png

SMALL = ("architecture=dcgan", "architecture.width=4", "train.batch_size=8", "train.sample_count=4")


@pytest.mark.parametrize(("dtype", "channels"), [("f4", 5), ("u2", 1), ("u1", 3)])
def test_array_is_learned_in_its_own_units(
    dtype: str,
    channels: int,
    gan_train: Command,
    gan_sample: Command,
    gan_eval: Command,
    gan_export: Command,
    workplace: Path,
) -> None:
    numbers = np.random.default_rng(0).integers(0, 200, (64, 8, 12, channels)).astype(dtype)
    np.save("x.npy", numbers * (20 if dtype == "u2" else 1) + (300 if dtype == "f4" else 0))
    trained = gan_train("dataset=arrays", "dataset.path=x.npy", *SMALL, "train.steps=3", "hydra.run.dir=run")
    assert trained.status == 0, trained.err
    assert "dataset.layout=nhwc" in trained.err
    assert gan_train("resume=run", "train.steps=5").status == 0
    Path("x.npy").rename("moved.npy")
    sampled = gan_sample("run", "--n", "12", "--out", "s.npy", "--separate", "single")
    assert sampled.status == 0, sampled.err
    low, high = {"f4": (300, 500), "u2": (0, 4095), "u1": (0, 255)}[dtype]
    samples = np.load("s.npy")
    assert samples.shape == (12, channels, 8, 12)
    assert low <= samples.min() <= samples.max() <= high
    assert 0.3 < (samples.mean() - low) / (high - low) < 0.7
    content = Path("single/seed0000_00000.png").read_bytes()
    if dtype != "u1":
        pixels = read_png(content)
        expected = np.moveaxis(samples[0], 0, -1 if channels == 1 else 1).reshape(8, -1, 1)
        assert np.abs(pixels / 65535 * (high - low) + low - expected).max() < (high - low) / 60000
    assert Path("single/seed0000_00000.npy").exists() == (channels == 5)
    assert Path("run/samples/step_00000005.png").read_bytes()[24] == (8 if dtype == "u1" else 16)
    Path("moved.npy").rename("x.npy")
    for arguments in (("run", "--n", "20"), ("run", "--samples", "s.npy")):
        evaluated = gan_eval(*arguments, "--backbone", "pixels")
        assert evaluated.status == 0, evaluated.err
    done = gan_export("run", "--format", "safetensors", "--out", "exported")
    assert done.status == 0, done.err
    assert "in the units of the data" in Path("exported/README.md").read_text()
    rounding = json.loads(Path("run/evaluation.json").read_text())["rounding"]
    assert re.match("images to 256" if dtype == "u1" else "none", rounding)


def test_what_data_decided_is_no_change_where_they_decide_otherwise_now(gan_train: Command, workplace: Path) -> None:
    register()
    numbers = np.random.default_rng(0).uniform(0, 1, (64, 8, 8)).astype(np.float32)
    np.save("x.npy", numbers)
    trained = gan_train("dataset=arrays", "dataset.path=x.npy", *SMALL, "train.steps=1", "hydra.run.dir=run")
    assert trained.status == 0, trained.err
    for changed in (numbers * 1000, None):
        Path("x.npy").unlink()
        if changed is not None:
            np.save("x.npy", changed)
        resumed = recompose(RunDirectory(Path("run")), ["train.steps=3"])
        assert list(resumed.config.dataset.range) == [0, 1]
        assert resumed.config.train.steps == 3
    with pytest.raises(ConfigError, match=r"dataset\.range"):
        recompose(RunDirectory(Path("run")), ["dataset.range=[0,2]"])
