"""A user's mistake costs one clear message and the right exit status; nothing is half-written."""

from __future__ import annotations

import os
import pickle
import re
import shutil
from pathlib import Path

import pytest
import torch

from tests.conftest import SHORT, TINY, Command, FinishedRun
from tests.helpers.preloaded import PreloadedProcess

# overrides -> what the message must say
MISTAKES: list[tuple[list[str], list[str]]] = [
    *(
        (["dataset=ring8", each], ["group=[...]", "loss/penalty=[r1,r2]"])
        for each in ("noise=[0]", "noise=[null]", "loss/penalty=[{a:1}]")
    ),
    (["loss=wgna"], ["loss=wgna", "Did you mean loss=wgan?", "jsd, lsgan, minimax"]),
    (["dataset=mnst"], ["dataset=mnst", "Did you mean dataset=mnist?"]),
    (["los=wgan"], ["los", "Did you mean loss=wgan?"]),
    (["train.step=5"], ["train.step", "Did you mean train.steps=5?"]),
    (["optimizer.lrr=1"], ["optimizer.lrr", "Did you mean optimizer.lr=1?"]),
    (["loss.objective.slope=1"], ["loss.objective.slope"]),
    (["+optimizer.momentun=1"], ["optimizer.momentun", "Adam"]),
    (["noise.start=1"], ["noise.start", "noise is null"]),
    (["train.batch_size=abc"], ["train.batch_size", "integer", "'abc'"]),
    (["train.steps=1.5"], ["train.steps", "integer", "1.5"]),
    (["optimizer.lr=fast"], ["optimizer.lr", "float", "'fast'"]),
    (["optimizer.betas=0.5"], ["optimizer.betas", "list", "0.5"]),
    (["architecture.latent_dim=wide"], ["architecture.latent_dim", "int", "'wide'"]),
    (["device.precision=fp16"], ["device.precision", "fp16", "auto, fp32, bf16"]),
    (["train.batch_size=0"], ["train.batch_size", "from 1 to", "0"]),
    (["train.steps=-5"], ["train.steps", "from 1 to", "-5"]),
    (["train.log_every=0"], ["train.log_every", "from 1 to"]),
    (["train.batch_size=2000"], ["train.batch_size", "1708", "2000"]),
    (["loss.d_steps=0"], ["loss.d_steps", "from 1 to", "0"]),
    (["loss.warmup.every=0"], ["loss.warmup.every", "from 1 to"]),
    (["loss=wgan", "loss.constraint.c=0"], ["loss.constraint.c", "> 0"]),
    (["noise=constant", "noise.start=-0.1"], ["noise.start", "from 0 to", "-0.1"]),
    (["noise=exponential", "noise.end=0"], ["noise.end", "> 0"]),
    (["optimizer.lr=-1"], ["optimizer.lr", "> 0", "-1"]),
    (["optimizer.betas=[0.5,1.5]"], ["optimizer.betas", ">= 0 and < 1", "1.5"]),
    (["ema.half_life=-1"], ["ema.half_life", "from 0 to"]),
    (["seed=-1"], ["seed", "-1"]),
    (["dataset=ring8", "dataset.std=0"], ["dataset.std", "> 0"]),
    (["dataset=ring8", "architecture=dcgan"], ["dcgan", "(2,)", "mlp"]),
    (["dataset=image_folder", "dataset.path=x", "dataset.size=7"], ["dcgan", "7x7", "8x8", "dataset.size=8"]),
    (["dataset=image_folder"], ["dataset.path"]),
    (["loss=jsd,wgan"], ["loss=jsd,wgan", "--multirun"]),
    (["loss"], ["loss"]),
    (["dataset=null"], ["dataset=null: expected the name of an option"]),
    (["loss.objective=3"], ["loss.objective", "a class and its settings"]),
    (["loss.objective._target_=os.system"], ["loss.objective._target_", "os.system", "gan_cli."]),
    (["loss.objective._target_=torch.load"], ["loss.objective._target_", "torch.load"]),
    (["resume=nowhere"], ["nowhere", "no run directory"]),
    (["++resume=nowhere"], ["nowhere", "no run directory"]),
    (["resume="], ["resume", "expected a run directory"]),
    (["-m", "resume=nowhere", "seed=0,1"], ["resume", "takes no flags"]),
    (["hydra.run.dir="], ["hydra.run.dir: expected a folder of its own, got ''"]),
    (["hydra.run.dir=."], ["hydra.run.dir: expected a folder of its own", "the folder you are in"]),
    (["hydra.run.dir=.."], ["hydra.run.dir: expected a folder of its own", "above"]),
    (["hydra.run.dir=~"], ["hydra.run.dir: expected a folder of its own", "home"]),
    (["hydra.run.dir=???"], ["hydra.run.dir", "mandatory"]),
    (["hydra.run.dir=null"], ["hydra.run.dir: expected a value, got null"]),
    (["hydra.run.dir=${oc.env:NOT_SET_HERE}"], ["hydra.run.dir: Environment variable 'NOT_SET_HERE' not found"]),
    (["hydra.run.dir=${nothing}"], ["hydra.run.dir: Interpolation key 'nothing' not found"]),
    (["-m", "hydra.sweep.dir=???", "seed=0,1"], ["hydra.sweep.dir: expected a folder of its own"]),
    (["-m", "hydra.sweep.dir=", "seed=0,1"], ["hydra.sweep.dir: expected a folder of its own"]),
    (["hydra.job.env_copy=[NOT_SET_HERE]"], ["hydra.job.env_copy", "'NOT_SET_HERE'"]),
    (["-m", "hydra.job.env_copy=[NOT_SET_HERE]", "seed=0,1"], ["hydra.job.env_copy", "'NOT_SET_HERE'"]),
    (["-m", "hydra.sweeper=null", "seed=0,1"], ["hydra.sweeper: expected the settings of a sweeper"]),
    (["hydra.job.chdir=abc"], ["hydra.job.chdir", "'abc'"]),
    (["device=cuda:1"], ["device=cuda:1: no such option. Did you mean device=cuda device.index=1?"]),
    (["seed=${"], ["'seed=${': '{' (character 7) is not closed"]),
    (["seed=${oc.env:}"], ["seed: the resolver takes another number of arguments"]),
    (['seed=${oc.decode:"}'], ["seed: cannot be read: expected ${key}"]),
    (["seed='${'"], ["seed: cannot be read: expected ${key}"]),
    (["architecture.generator_hidden=[8,8"], ["'[' (character 31) is not closed", "in quotes"]),
    (["optimizer.lr=1e-3)"], ["')' (character 18) closes nothing"]),
    (["optimizer.lr=é"], ["'é' (character 14) has to be in quotes"]),
    (["optimizer.lr='é"], ["(character 14) is not closed"]),
    (["é=3"], ["'é' (character 1) cannot be in a key"]),
    (["seed=1,2,"], ["Did you mean gan-train -m seed=1,2?"]),
    (["--config-dir", "nowhere"], ["--config-dir", "nowhere"]),
    (["+train.foo=1"], ["train.foo", "no such key"]),
    (["optimizer.lr=inf"], ["optimizer.lr", "inf"]),
    (["noise=constant", "noise.start=1e39"], ["noise.start", "1e+39"]),
    (["loss.objective._target_=torch.nn.ReLU"], ["loss.objective._target_", "Objective", "torch.nn.ReLU"]),
    (
        ["loss.objective._target_=gan_cli.protocols.adversarial.Objective"],
        ["loss.objective._target_", "gan_cli.protocols.adversarial"],
    ),
    (["+optimizer.decay._target_=gan_cli.components.losses.Minimax"], ["optimizer.decay", "Minimax"]),
    (["optimizer.lr={_target_:gan_cli.components.schedules.Constant,start:1}"], ["optimizer.lr", "float"]),
    (["architecture.latent_dim=1000000000000000"], ["architecture.latent_dim", "from 1 to 65,536"]),
    (["--multirun", "--cfg", "job"], ["Only one of"]),
    (["dataset=ring8", "conditional=true"], ["conditional", "expected false", "Ring", "no labels"]),
    (["pac=3"], ["pac", "3", "divisor of train.batch_size, 128"]),
    (["pac=2", "conditional=true"], ["pac", "2", "1 with conditional=true"]),
    (["loss=r3gan", "device.compile=true"], ["device.compile", "r1, r2", "loss/penalty=none"]),
    (["dataset=ring8", "augment=diffaugment"], ["augment", "expected none", "(2,)"]),
    (["loss/penalty=r3"], ["loss/penalty=r3: no such option", "Options: auto, dragan, gradient, none, r1, r2, roth"]),
    (["loss/penalty=r1", "loss.penalty.r1.weight=-1"], ["loss.penalty.r1.weight", "from 0 to", "-1"]),
    (["loss/penalty=r1", "loss.penalty.r1.gamma=1"], ["loss.penalty.r1.gamma", "weight"]),
    (["loss/penalty=r1", "loss.penalty.r1.every=0"], ["loss.penalty.r1.every", "from 1 to"]),
    (["loss.penalty=3"], ["loss.penalty", "3"]),
    (["+loss.penalty.x._target_=gan_cli.components.losses.Hinge"], ["loss.penalty.x", "Penalty", "Hinge"]),
    (["loss=lsgan", "loss.objective.a=2"], ["loss.objective.a", "below b", "2"]),
    (["augment=ada", "augment.target=2"], ["augment.target", "> -1 and < 1", "2"]),
    (["architecture=r3gan", "architecture.cardinality=7"], ["architecture.cardinality", "256", "7"]),
    (["architecture=mlp", "architecture.norm_d=instance"], ["architecture.norm_d", "batch, layer or none"]),
    (["architecture=dcgan", "architecture.norm_d=bach"], ["architecture.norm_d", "batch or layer or instance or none"]),
    (["dataset=ring8", "architecture=resnet"], ["resnet", "(2,)", "mlp"]),
    (["loss.top_k=0.5"], ["loss.top_k", "a class and its settings"]),
    (["dataset._target_=gan_cli.architectures.mlp.MLP"], ["dataset._target_: expected Dataset", "MLP"]),
    (["algorithm._target_=gan_cli.components.losses.Hinge"], ["algorithm._target_: expected Algorithm", "Hinge"]),
]


@pytest.mark.parametrize(("overrides", "words"), MISTAKES, ids=lambda value: " ".join(value))
def test_mistake_in_the_command(overrides: list[str], words: list[str], gan_train: Command, workplace: Path) -> None:
    done = gan_train(*overrides)
    assert done.status == 2, done.err
    assert "Traceback" not in done.err
    assert not re.search(r"recognition|viable|mismatched|KeyError|TypeError", done.err)
    for word in words:
        assert word in done.err
    assert list(workplace.iterdir()) == []


def test_several_mistakes_are_reported_together(gan_train: Command) -> None:
    done = gan_train("optimizer.lr=fast", "architecture.latent_dim=wide")
    assert done.status == 2
    assert "optimizer.lr" in done.err
    assert "architecture.latent_dim" in done.err


def test_values_out_of_range_are_reported_together(gan_train: Command) -> None:
    done = gan_train("train.steps=0", "loss.d_steps=0", "loss.warmup.every=0", "ema.half_life=-1", "pac=3")
    assert [line.removeprefix("gan-train: ").partition(":")[0] for line in done.err.splitlines()] == [
        "loss.warmup.every",
        "ema.half_life",
        "train.steps",
    ]
    done = gan_train("optimizer.lr=-1", "loss=wgan", "loss.constraint.c=0")
    assert [line.removeprefix("gan-train: ").partition(":")[0] for line in done.err.splitlines()] == [
        "loss.constraint.c",
        "optimizer.lr",
    ]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_where_there_is_none(gan_train: Command, workplace: Path) -> None:
    done = gan_train("device=cuda")
    assert done.status == 2
    assert "device=cpu" in done.err
    assert list(workplace.iterdir()) == []


@pytest.fixture
def finished(finished_run: FinishedRun, workplace: Path) -> Path:
    """A small finished run with checkpoints of steps 1 and 2."""
    return finished_run(workplace / "run", *SHORT, *TINY, "train.checkpoint_every=1")


@pytest.mark.parametrize(
    "override",
    [
        "loss=wgan",
        "architecture=dcgan",
        "dataset=ring8",
        "seed=1",
        "train.batch_size=8",
        "optimizer.lr=1",
        "noise=linear",
        "ema.half_life=3",
    ],
)
def test_resume_does_not_change_what_the_run_is(override: str, finished: Path, gan_train: Command) -> None:
    done = gan_train("resume=run", "train.steps=3", override)
    assert done.status == 2
    assert override in done.err
    assert "May change: train.steps" in done.err


def test_resume_takes_what_is_no_change(finished: Path, gan_train: Command) -> None:
    done = gan_train("resume=run", "train.steps=3", "loss=jsd", "seed=0", "device=cpu", "train.log_every=2")
    assert done.status == 0, done.err


def test_resume_without_checkpoint(finished: Path, gan_train: Command, gan_sample: Command) -> None:
    shutil.rmtree(finished / "checkpoints")
    for done in (gan_train("resume=run"), gan_sample("run")):
        assert done.status == 2
        assert "no checkpoint" in done.err


def test_truncated_checkpoint_falls_back_to_the_one_before(finished: Path, gan_train: Command) -> None:
    last = finished / "checkpoints" / "last.pt"
    with last.open("r+b") as file:
        file.truncate(last.stat().st_size // 2)
    done = gan_train("resume=run", "train.steps=3")
    assert done.status == 0, done.err
    assert "damaged" in done.err
    assert "continuing from step 1" in done.err


def test_checkpoint_of_another_architecture(finished: Path, gan_train: Command, gan_sample: Command) -> None:
    other = ("architecture.generator_hidden=[16]", "hydra.run.dir=other")
    assert gan_train(*SHORT, *TINY, *other).status == 0
    shutil.rmtree(finished / "checkpoints")
    shutil.copytree("other/checkpoints", finished / "checkpoints")
    for done in (gan_train("resume=run", "train.steps=3"), gan_sample("run")):
        assert done.status == 2
        assert "does not fit" in done.err
        assert "Traceback" not in done.err


@pytest.mark.parametrize("threads", [0, 100_000, 10**23, "many"])
def test_checkpoint_of_impossible_threads(threads: object, finished: Path, gan_train: Command) -> None:
    last = finished / "checkpoints" / "last.pt"
    torch.save(torch.load(last) | {"threads": threads}, last)
    done = gan_train("resume=run", "train.steps=3")
    assert done.status == 2
    assert done.err.splitlines()[-1].startswith("gan-train: the checkpoint in ")
    assert "does not fit the configuration of its run: " in done.err
    assert str(threads) in done.err


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("write", [torch.save, lambda state, path: path.write_bytes(pickle.dumps(state))])
def test_checkpoint_with_code_is_refused_and_not_executed(
    write: object, finished: Path, gan_train: Command, gan_sample: Command
) -> None:
    assert callable(write)
    for file in (finished / "checkpoints").iterdir():
        file.unlink()
    write({"step": 2, "algorithm": _Bomb()}, finished / "checkpoints" / "last.pt")
    for done in (gan_train("resume=run", "train.steps=3"), gan_sample("run")):
        assert done.status == 2
        assert "rejected" in done.err
    assert not Path("executed").exists()


def test_stored_config_is_data(finished: Path, gan_train: Command, gan_sample: Command) -> None:
    config = finished / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace("gan_cli.architectures.mlp.MLP", "os.system"))
    for done in (gan_train("resume=run", "train.steps=3"), gan_sample("run")):
        assert done.status == 2
        assert "os.system" in done.err


@pytest.mark.parametrize("content", ["{", "- a", "\x00", "train: [1]", ""])
def test_broken_stored_config(content: str, finished: Path, gan_train: Command, gan_sample: Command) -> None:
    (finished / ".hydra" / "config.yaml").write_text(content)
    for done in (gan_train("resume=run"), gan_sample("run")):
        assert done.status == 2
        assert "Traceback" not in done.err


def test_output_directory_that_cannot_be_made(gan_train: Command, workplace: Path) -> None:
    Path("file").write_text("in the way")
    done = gan_train(*SHORT, *TINY, "hydra.run.dir=file/run")
    assert done.status == 2
    assert "cannot write" in done.err
    assert "file/run" in done.err


def test_full_disk(gan_train: Command, workplace: Path) -> None:
    limit = 1_000_000  # less than a checkpoint, more than all else
    process = PreloadedProcess("tests.helpers.small_files", [limit, *SHORT, "architecture=mlp", "hydra.run.dir=run"])
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert "cannot write checkpoint" in err
    assert "Traceback" not in err
    assert list(Path("run/checkpoints").iterdir()) == []
    assert '"failed"' in Path("run/summary.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--n", "0"], "--n"),
        (["--seed", "-1"], "--seed"),
        (["--out", "x.gif"], ".npy"),
        (["--walk", "x.png"], ".webp"),
        (["--frobnicate"], "frobnicate"),
    ],
)
def test_mistake_in_sampling(arguments: list[str], words: str, finished: Path, gan_sample: Command) -> None:
    done = gan_sample("run", *arguments)
    assert done.status == 2
    assert words in done.err


def test_sampling_from_no_run(workplace: Path, gan_sample: Command) -> None:
    done = gan_sample("nowhere")
    assert done.status == 2
    assert "nowhere is no run directory" in done.err
