"""A new run with the weights of an old one (``init``), and with some blocks fixed (``freeze``)."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import TINY, Command, FinishedRun
from tests.helpers.families import FAMILIES
from tests.soak.equality import same_run

CADENCE = (
    "train.steps=4",
    "train.batch_size=8",
    "train.log_every=2",
    "train.sample_every=2",
    "train.checkpoint_every=2",
    "train.sample_count=4",
    "device.threads=1",
)
GAN = (*TINY, *CADENCE, "dataset=digits")

Old = Callable[..., Path]


@pytest.fixture
def old(finished_run: FinishedRun) -> Old:
    """``old(*OVERRIDES)``: a finished GAN in the folder ``old``."""
    return lambda *more: finished_run("old", *GAN, *more)


def networks_of(file: str) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(file, weights_only=True)["algorithm"]
    return state


def networks(run: Path | str, step: int | None = None) -> dict[str, Any]:
    name = "last.pt" if step is None else f"step_{step:08d}.pt"
    state = torch.load(Path(run, "checkpoints", name), weights_only=True)["algorithm"]
    return {"g": state["generator"], "average": state["average"], "d": state["judge"]["network"]}


def equal(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(value, right[key]) for key, value in left.items())


def test_a_new_run_begins_with_the_weights_of_an_old_one(gan_train: Command, old: Old) -> None:
    old()
    done = gan_train(*GAN, "seed=1", "init=old", "hydra.run.dir=new")
    assert done.status == 0
    assert f"init: layers with the weights of {Path('old').absolute()}, step 4: g 2 of 2" in done.err
    assert all(equal(value, networks("old")[name]) for name, value in networks("new", 0).items())
    assert not equal(networks("new", 4)["d"], networks("old")["d"])
    # Optimizers are new ones.
    state = torch.load("new/checkpoints/step_00000000.pt", weights_only=True)["algorithm"]
    assert all(float(each["step"]) == 0 for each in state["optimizer_d"]["state"].values())
    origin = json.loads(Path("new/origin.json").read_text())["init"]
    assert json.loads(Path("new/summary.json").read_text())["init"] == origin
    assert (origin["path"], origin["step"]) == (str(Path("old").absolute()), 4)
    assert origin["networks"]["d"]["fresh"] == []


def test_both_spellings_of_init_work_together(gan_train: Command, old: Old) -> None:
    old()
    done = gan_train(*GAN, "init=old", "init.checkpoint=2", "init.networks=[g]", "hydra.run.dir=new")
    assert done.status == 0
    assert equal(networks("new", 0)["g"], networks("old", 2)["g"])
    assert equal(networks("new", 0)["average"], networks("old", 2)["g"])
    assert not equal(networks("new", 0)["d"], networks("old", 2)["d"])
    again = gan_train(*GAN, "init.run=old", "init.checkpoint=2", "init.networks=[g]", "hydra.run.dir=again")
    assert again.status == 0
    same_run(Path("again"), Path("new"))


def test_resume_no_longer_needs_the_old_run(gan_train: Command, old: Old) -> None:
    old()
    assert gan_train(*GAN, "init=old", "train.steps=6", "hydra.run.dir=undisturbed").status == 0
    assert gan_train(*GAN, "init=old", "hydra.run.dir=new").status == 0
    shutil.rmtree("old")
    assert gan_train("resume=new", "train.steps=6").status == 0
    same_run(Path("new"), Path("undisturbed"))
    assert "init" in json.loads(Path("new/summary.json").read_text())


def test_layers_that_do_not_fit_start_fresh_and_are_listed(gan_train: Command, old: Old) -> None:
    old()
    done = gan_train(*GAN, "init=old", "conditional=true", "hydra.run.dir=new")
    assert done.status == 0
    assert (
        "init: fresh layers of g and average of g: body.0 (8 x 116, stored 8 x 100), embedding (10 x 16, not stored)"
        in done.err
    )
    assert "init: fresh layers of d: embedding (10 x 8, not stored)" in done.err
    fresh = json.loads(Path("new/origin.json").read_text())["init"]["networks"]["g"]["fresh"]
    assert [layer["layer"] for layer in fresh] == ["body.0", "embedding"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("init=olf",), r"olf is no run directory: .* Did you mean 'old'\?"),
        (("init=old", "init.checkpoint=3"), "no checkpoint of step 3 in .*old/checkpoints: the nearest is of step 2"),
        (("init=old", "init.checkpoint=best"), "no best checkpoint in .*old/checkpoints"),
        (("init=old", "init.checkpoint=x"), "init.checkpoint: expected last, best or a step, got 'x'"),
        (("init=old", "init.networks=[averag]"), "some of g, d, average .* got 'averag'. Did you mean 'average'?"),
        (("init=old", "architecture=dcgan", "architecture.width=2"), "init: no layer of .*old fits the networks"),
        (
            ("init=old", *FAMILIES["vae"]),
            "expected a run with algorithm=vae, as this one has; .*old has algorithm=gan",
        ),
        (("init=old", "fork=old"), "init: expected none with fork"),
    ],
)
def test_mistakes_are_one_line(gan_train: Command, old: Old, typed: tuple[str, ...], message: str) -> None:
    old()
    settings = [item for item in CADENCE if not item.startswith("train.held")]
    own = () if any("architecture" in item for item in typed) else TINY
    done = gan_train("dataset=digits", *own, *settings, *typed, "hydra.run.dir=new")
    assert done.status == 2
    *_, last = done.err.splitlines()
    assert re.search(message, last), done.err
    assert not Path("new").exists()


@pytest.mark.parametrize("family", ["vae", "autoencoder", "diffusion", "oracle"])
def test_every_family_begins_with_old_weights(family: str, gan_train: Command, workplace: Path) -> None:
    data = () if family == "oracle" else ("dataset=ring8",)
    settings = (*FAMILIES[family], *CADENCE, *data, *(("algorithm/likelihood=gaussian",) if family == "vae" else ()))
    settings = (*settings, *(("algorithm/likelihood=gaussian",) if family == "autoencoder" else ()))
    assert gan_train(*settings, "hydra.run.dir=old").status == 0
    done = gan_train(*settings, "init=old", "seed=1", "hydra.run.dir=new")
    assert done.status == 0, done.err
    assert "fresh layers" not in done.err
    old, new = (
        # An autoencoder fits its prior to its own codes.
        {key: value for key, value in networks_of(file)["generator"].items() if not key.startswith("prior.")}
        for file in ("old/checkpoints/last.pt", "new/checkpoints/step_00000000.pt")
    )
    assert equal(old, new)


def test_a_vae_begins_as_an_autoencoder(gan_train: Command, workplace: Path) -> None:
    common = (*CADENCE, "dataset=ring8", "algorithm/likelihood=gaussian")
    assert gan_train(*FAMILIES["autoencoder"], *common, "hydra.run.dir=old").status == 0
    done = gan_train(*FAMILIES["vae"], *common, "init=old", "hydra.run.dir=new")
    assert done.status == 0, done.err
    assert "init: fresh layers of encoder" in done.err  # it has twice as many outputs
    assert "init: fresh layers of decoder" not in done.err


def test_replicas_begin_with_the_same_weights(gan_train: Command, old: Old) -> None:
    old()
    done = gan_train(*GAN, "init=old", "train.replicas=2", "hydra.run.dir=both")
    assert done.status == 0, done.err
    assert gan_train(*GAN, "init=old", "seed=1", "hydra.run.dir=alone").status == 0
    assert "init" in json.loads(Path("both/seed_1/summary.json").read_text())
    for name, weights in networks("both/seed_1").items():
        for key, value in networks("alone")[name].items():
            torch.testing.assert_close(weights[key], value, rtol=1e-3, atol=1e-4, msg=f"{name} {key}")


def test_jobs_of_a_sweep_begin_with_different_runs(gan_train: Command, old: Old) -> None:
    shutil.copytree(old(), "other, too")
    done = gan_train("-m", *GAN, "init=old,'other, too'", "hydra.sweep.dir=sweep")
    assert done.status == 0, done.err
    paths = {json.loads(file.read_text())["init"]["path"] for file in Path("sweep").glob("*/origin.json")}
    assert paths == {str(Path(name).absolute()) for name in ("old", "other, too")}


@pytest.mark.parametrize(
    "more",
    [
        ("freeze.d=1", "freeze.g=1"),
        ("freeze.d=1", "loss=wgan_gp"),
        ("freeze.d=1", "loss=wgan"),
        ("freeze.d=1", "optimizer.weight_decay=0.1", "train.non_finite=skip"),
        ("freeze.d=1", "architecture.norm_d=batch", "architecture.discriminator_hidden=[8,8]"),
        ("freeze.d=1", "architecture.spectral_norm=true"),
    ],
)
def test_frozen_blocks_stay_bitwise(gan_train: Command, old: Old, more: tuple[str, ...]) -> None:
    settings = [item for item in more if not item.startswith(("freeze", "loss", "optimizer", "train"))]
    old(*settings)
    done = gan_train(*GAN, "init=old", *more, "hydra.run.dir=new")
    assert done.status == 0, done.err
    assert " are trained" in done.err
    before, after = networks("new", 0), networks("new")
    first = {"d": "features.1.", "g": "body.0."}
    for name in [name for name in first if any(item.startswith(f"freeze.{name}") for item in more)]:
        frozen = [key for key in after[name] if key.startswith(first[name])]
        assert frozen
        assert all(torch.equal(before[name][key], after[name][key]) for key in frozen)
        trained = [key for key in after[name] if key.startswith(("head.", "body.2.")) and after[name][key].dim() > 1]
        assert trained
        assert not any(torch.equal(before[name][key], after[name][key]) for key in trained if "_v" not in key)


def test_frozen_layers_without_old_weights_are_named(gan_train: Command, old: Old) -> None:
    old()
    done = gan_train(*GAN, "init=old", "conditional=true", "freeze.g=1", "freeze.d=1", "hydra.run.dir=new")
    assert done.status == 0, done.err
    assert "freeze.g: layers that start fresh stay at random weights: body.0\n" in done.err
    assert "freeze.d: layers" not in done.err


def test_a_frozen_run_resumes_bitwise(gan_train: Command, old: Old) -> None:
    old()
    settings = (*GAN, "init=old", "freeze.d=1", "loss/penalty=r1")
    assert gan_train(*settings, "train.steps=6", "hydra.run.dir=undisturbed").status == 0
    assert gan_train(*settings, "hydra.run.dir=new").status == 0
    assert gan_train("resume=new", "train.steps=6").status == 0
    same_run(Path("new"), Path("undisturbed"))


def test_freezing_says_what_it_cannot_do(gan_train: Command, workplace: Path) -> None:
    done = gan_train(*GAN, "freeze.d=2")
    assert done.status == 2
    assert "freeze.d: expected an integer from 0 to 1: the discriminator has 2 blocks" in done.err
    assert "freeze.d: expected 0 for VAE" in gan_train("algorithm=vae", "architecture=vae", "freeze.d=1").err
    assert "train.replicas: expected 1 with freeze" in gan_train(*GAN, "freeze.d=1", "train.replicas=2").err
    assert "without init=RUN_DIR, frozen blocks keep the random weights" in gan_train(*GAN, "freeze.g=1").err
