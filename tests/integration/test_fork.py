"""A fork: a new run that goes on from a checkpoint's whole state, with other settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_cli.storage.run_directory import RunDirectory
from tests.conftest import TINY, Command, FinishedRun
from tests.helpers.families import FAMILIES
from tests.helpers.run_directories import read_metrics, read_summary
from tests.soak.equality import figures, same

CADENCE = (
    "train.steps=8",
    "train.batch_size=8",
    "train.log_every=2",
    "train.sample_every=4",
    "train.checkpoint_every=2",
    "train.sample_count=4",
    "device.threads=1",
)
GAN = (*TINY, *CADENCE, "dataset=digits")


@pytest.fixture
def old(finished_run: FinishedRun) -> Path:
    """A finished GAN in the folder ``old``, with checkpoints at steps 4, 6 and 8."""
    return finished_run("old", *GAN)


def state(run: Path | str, step: int | None = None) -> dict[str, Any]:
    name = "last.pt" if step is None else f"step_{step:08d}.pt"
    loaded: dict[str, Any] = torch.load(Path(run, "checkpoints", name), weights_only=True)
    return loaded


def test_without_changes_it_is_the_run_bitwise(gan_train: Command, old: Path) -> None:
    done = gan_train("fork=old", "step=4", "hydra.run.dir=new")
    assert done.status == 0, done.err
    same(state("new")["algorithm"], state("old")["algorithm"], "algorithm")
    same(state("new", 4)["algorithm"], state("old", 4)["algorithm"], "algorithm at the fork")
    same(figures(Path("new")), [each for each in figures(old) if each["step"] >= 4], "metrics.jsonl")
    assert sorted(path.name for path in Path("new/samples").glob("step_*.png"))[0] == "step_00000004.png"
    assert Path("new/samples/step_00000008.png").read_bytes() == Path("old/samples/step_00000008.png").read_bytes()
    origin = json.loads(Path("new/origin.json").read_text())["forked_from"]
    assert origin == read_summary("new")["forked_from"]
    assert (origin["path"], origin["step"], origin["changes"]) == (str(old.absolute()), 4, {})
    assert origin["continuation"] is True


@pytest.mark.parametrize("family", ["vae", "diffusion", "oracle"])
def test_families_are_forked_bitwise(family: str, gan_train: Command, workplace: Path) -> None:
    data = () if family == "oracle" else ("dataset=ring8",)
    likelihood = ("algorithm/likelihood=gaussian",) if family == "vae" else ()
    assert gan_train(*FAMILIES[family], *CADENCE, *data, *likelihood, "hydra.run.dir=old").status == 0
    done = gan_train("fork=old", "fork.step=4", "hydra.run.dir=new")
    assert done.status == 0, done.err
    same(state("new")["algorithm"], state("old")["algorithm"], "algorithm")


def test_only_longer_is_a_continuation(gan_train: Command, old: Path) -> None:
    done = gan_train("fork=old", "train.steps=10", "hydra.run.dir=new")
    assert done.status == 0, done.err
    assert "no continuation" not in done.err
    assert gan_train("resume=old", "train.steps=10").status == 0
    same(state("new")["algorithm"], state("old")["algorithm"], "algorithm")


def test_changed_rates_keep_the_moments(gan_train: Command, old: Path) -> None:
    done = gan_train("fork=old", "step=4", "optimizer.lr_g=1e-5", "optimizer.lr_d=0", "hydra.run.dir=new")
    assert done.status == 0, done.err
    assert "fork: changed: optimizer.lr_g 0.0002 -> 1e-05, optimizer.lr_d 0.0002 -> 0" in done.err
    assert "no continuation" in done.err
    assert "begins anew" not in done.err
    at_fork, before = state("new", 4)["algorithm"], state("old", 4)["algorithm"]
    same(at_fork["optimizer_g"]["state"], before["optimizer_g"]["state"], "moments")
    same(at_fork["random"], before["random"], "random")
    same(at_fork["generator"], before["generator"], "generator")
    # D stays as it is at a rate of 0.
    same(state("new")["algorithm"]["judge"]["network"], before["judge"]["network"], "D")
    # What is reported are the updates of the fork.
    assert [each["step"] for each in read_metrics("new")] == [6, 8]
    assert read_metrics("new")[0]["lr/g"] == 1e-5
    assert set(read_summary("new")["forked_from"]["changes"]) == {"optimizer.lr_g", "optimizer.lr_d"}
    config = RunDirectory(Path("new")).stored_config()
    assert (config.fork.run, config.fork.step) == (str(old.absolute()), "4")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("optimizer=rmsprop",), "fork: begins anew: the optimizer of G, the optimizer of D"),
        (("optimizer=sgd", "noise=linear"), "optimizer.lr 0.0002 -> 0.1, noise none -> Linear"),
        (("train.batch_size=4",), "fork: batches of another size go on in the epoch"),
        (("train.batch_size=16",), "fork: begins anew: the metrics that the next report is computed from"),
        (("loss=wgan_gp",), "loss.objective NonSaturating -> Wasserstein"),
        (("loss=hinge", "loss.d_steps=2", "ema.half_life=3"), "ema.half_life 170.0 -> 3.0"),
        (("augment=diffaugment",), "augment none -> "),
        (("noise=adaptive",), "fork: begins anew: the instance noise"),
        (("freeze.d=1",), "fork: begins anew: the optimizer of D"),
    ],
)
def test_changed_settings(gan_train: Command, old: Path, typed: tuple[str, ...], message: str) -> None:
    done = gan_train("fork=old", "step=6", *typed, "hydra.run.dir=new")
    assert done.status == 0, done.err
    assert message in done.err
    assert "no continuation" in done.err
    assert read_summary("new")["status"] == "completed"
    seen = read_summary("new")["images_seen"]
    assert seen > read_summary("old")["images_seen"] * 6 / 8
    # The fork is a run like any other.
    assert gan_train("resume=new", "train.steps=10").status == 0


def test_a_fork_is_resumed_without_its_origin_and_forked_again(gan_train: Command, old: Path) -> None:
    rate = "optimizer.lr_g=1e-5"
    assert gan_train("fork=old", "step=4", rate, "train.steps=10", "hydra.run.dir=undisturbed").status == 0
    assert gan_train("fork=old", "step=4", rate, "hydra.run.dir=new").status == 0
    old.rename("moved")
    assert gan_train("resume=new", "train.steps=10").status == 0
    same(state("new")["algorithm"], state("undisturbed")["algorithm"], "algorithm")
    done = gan_train("fork=new", "train.steps=12", "hydra.run.dir=third")
    assert done.status == 0, done.err
    assert read_summary("third")["forked_from"]["path"] == str(Path("new").absolute())
    assert read_summary("third")["forked_from"]["changes"].keys() == {"train.steps"}
    assert RunDirectory(Path("third")).stored_config().optimizer.lr_g == 1e-5


def test_a_run_that_began_with_weights_is_forked(gan_train: Command, old: Path) -> None:
    assert gan_train(*GAN, "init=old", "hydra.run.dir=second").status == 0
    done = gan_train("fork=second", "step=4", "seed=3", "hydra.run.dir=third")
    assert done.status == 0, done.err
    config = RunDirectory(Path("third")).stored_config()
    assert config.init.run is None
    assert config.seed == 3
    assert "init" not in read_summary("third")


def test_curves_begin_at_the_fork(gan_train: Command, old: Path) -> None:
    from tests.soak.equality import curves

    assert gan_train("fork=old", "step=4", "hydra.run.dir=new").status == 0
    assert [step for step, _ in curves(Path("new"))["loss/d"]] == [4, 6, 8]
    assert any(b"_hparams_" in file.read_bytes() for file in Path("new").glob("events.out.*"))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("fork=olf",), r"olf is no run directory: .* Did you mean 'old'\?"),
        (("fork=old",), "train.steps: expected more than the 8 steps that fork=old begins with, got 8"),
        (("fork=old", "step=5"), "no checkpoint of step 5 in .*: the nearest is of step 4"),
        (("fork=old", "step=best"), "no best checkpoint in "),
        (("fork=old", "step=first"), "fork.step: expected last, best or a step, got 'first'"),
        (("fork=old", "step=4", "architecture.generator_hidden=[9]"), "those of g differ: body.0 .*init=RUN_DIR"),
        (("fork=old", "step=4", "conditional=true"), "those of g differ: body.0"),
        (("fork=old", "step=4", "train.replicas=2"), "train.replicas: expected 1 with fork, got 2"),
        (("fork=old", "step=4", "optimizer.lr_x=1"), "optimizer.lr_x"),
        (("fork=old", "resume=old"), "resume, fork: expected one of them"),
        (("fork=",), "fork: expected a run directory, got nothing"),
        (("-m", "fork=old", "seed=1,2"), "fork: begins one run, and takes no flags"),
    ],
)
def test_mistakes_are_one_line(gan_train: Command, old: Path, typed: tuple[str, ...], message: str) -> None:
    done = gan_train(*typed, "hydra.run.dir=new")
    assert done.status == 2
    *_, last = done.err.splitlines()
    assert re.search(message, last), done.err
    assert not Path("new").exists()


def test_a_run_that_trains_is_not_forked(gan_train: Command, old: Path) -> None:
    with RunDirectory(old).locked():
        done = gan_train("fork=old", "step=4", "hydra.run.dir=new")
    assert done.status == 2
    assert "fork=old: a process is training in this directory; fork it once it has ended" in done.err


def test_the_refusal_on_resume_names_the_fork(gan_train: Command, old: Path) -> None:
    done = gan_train("resume=old", "optimizer.lr_g=1e-5")
    assert done.status == 2
    assert done.err.strip().endswith("gan-train fork=old optimizer.lr_g=1e-05")
    (command,) = re.findall(r"gan-train (fork=.*)", done.err)
    assert gan_train(*command.split(), "train.steps=10", "hydra.run.dir=new").status == 0


def test_a_dry_run_says_what_would_change(gan_train: Command, old: Path) -> None:
    done = gan_train("fork=old", "step=4", "optimizer.lr_g=1e-5", "dry_run=true")
    assert done.status == 0
    assert re.search(r"^fork +step 4 of old$", done.out, re.MULTILINE)
    assert re.search(r"^changed +optimizer.lr_g 0.0002 -> 1e-05$", done.out, re.MULTILINE)


def test_a_fork_in_a_file_of_settings_is_rejected(gan_train: Command, old: Path) -> None:
    Path("own/experiment").mkdir(parents=True)
    Path("own/experiment/branch.yaml").write_text("# @package _global_\nfork: {run: old}\n")
    done = gan_train("--config-dir", "own", *GAN, "experiment=branch", "hydra.run.dir=new")
    assert done.status == 2
    assert "fork: expected fork=RUN_DIR on the command line of one run" in done.err
