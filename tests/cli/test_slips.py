"""What new users type: each answer is one line, and holds the line that should have been typed, which composes."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from gan_cli.config.compose import compose, register
from gan_cli.config.override_text import OverrideText, is_sweep
from gan_cli.config.suggestions import for_option
from gan_cli.config.terms import OPTIONS, SAMPLES
from gan_cli.config.vocabulary import vocabulary
from tests.conftest import Command
from tests.helpers.run_directories import write_run

# Typed -> the line that should have been typed, or the part of it that takes the place of what was.
SLIPS = {
    # The words of other programs' command lines.
    "--loss wgan": "gan-train loss=wgan",
    "--loss=wgan": "gan-train loss=wgan",
    "-loss wgan": "gan-train loss=wgan",
    "loss wgan": "gan-train loss=wgan",
    "loss = wgan": "gan-train loss=wgan",
    "loss= wgan": "gan-train loss=wgan",
    "loss =wgan": "gan-train loss=wgan",
    "loss: wgan": "gan-train loss=wgan",
    "loss:wgan": "gan-train loss=wgan",
    "loss==wgan": "gan-train loss=wgan",
    "train.steps 100": "gan-train train.steps=100",
    "train.steps=100,": "gan-train train.steps=100",
    "--steps 100 --lr 1e-3": "gan-train train.steps=100 optimizer.lr=1e-3",
    "--batch-size=32": "gan-train train.batch_size=32",
    "--dataset mnist --n-critic 5": "gan-train dataset=mnist loss.d_steps=5",
    "--dry-run": "gan-train dry_run=true",
    "--multi-run seed=0,1": "gan-train --multirun seed=0,1",
    "-m --loss jsd,wgan": "gan-train -m loss=jsd,wgan",
    "conditional": "gan-train conditional=true",
    "help": "gan-train --help",
    "help loss": "gan-train --help loss",
    "train": "gan-train",
    "train loss=wgan": "gan-train loss=wgan",
    "train mnist wgan": "gan-train dataset=mnist loss=wgan",
    "mnist": "gan-train dataset=mnist",
    "WGAN_GP": "gan-train loss=wgan_gp",
    "run": "gan-train",
    "a_run": "gan-train resume=a_run",
    "a_run/.hydra/config.yaml": "gan-train resume=a_run/.hydra/config.yaml",
    "sweep": "gan-train resume=sweep/seed=0",
    "last": "gan-train resume=last",
    # Blanks that a shell takes for the end of a word.
    "'loss/penalty=[r1,' 'r2]'": "gan-train loss/penalty=[r1,r2]",
    "'optimizer.betas=[0,' '0.9]'": "gan-train optimizer.betas=[0,0.9]",
    "seed=0, 1": "gan-train -m seed=0,1",
    "dataset=image_folder dataset.path=my photos": "gan-train dataset=image_folder 'dataset.path=my photos'",
    # Keys by their last part, misspelled, or by another name.
    "steps=100": "train.steps=100",
    "step=100": "train.steps=100",
    "train.step=100": "train.steps=100",
    "training.steps=100": "train.steps=100",
    "lr=1e-3": "optimizer.lr=1e-3",
    "train.lr=1e-3": "optimizer.lr=1e-3",
    "optimizer.learning_rate=1e-3": "optimizer.lr=1e-3",
    "optimizer.lr=0,001": "optimizer.lr=0.001",
    "beta1=0": "optimizer.betas=[0,0.999]",
    "optimizer.beta2=0.9": "optimizer.betas=[0.5,0.9]",
    "batch_size=32": "train.batch_size=32",
    "bath_size=32": "train.batch_size=32",
    "epochs=10": "train.steps=133",
    "epochs=10 dataset=mnist loss=wgan": "train.steps=1781",
    "epochs=10 dataset=ring8": "train.steps=3000",
    "width=8": "architecture=dcgan architecture.width=8",
    "width=8 dataset=mnist": "architecture.width=8",
    "size=64": "dataset=mnist dataset.size=64",
    "z_dim=64": "architecture.latent_dim=64",
    "architecture.z_dim=64": "architecture.latent_dim=64",
    "model.latent_dim=64": "architecture.latent_dim=64",
    "threads=2": "device.threads=2",
    "workers=4": "device.threads=4",
    "workers=4 dataset=image_folder dataset.path=photos": "dataset.workers=4",
    "gpu=0": "device.index=0",
    "cuda=true": "device=cuda",
    "output_dir=x": "hydra.run.dir=x",
    "log_interval=10": "train.log_every=10",
    "save_freq=10": "train.checkpoint_every=10",
    "n_critic=5": "loss.d_steps=5",
    "k=5": "loss.d_steps=5",
    "loss.k=5": "loss.d_steps=5",
    "clip=0.02": "loss=wgan loss.constraint.c=0.02",
    "clip=0.02 loss=wgan": "loss.constraint.c=0.02",
    "loss.clip=0.02": "loss=wgan loss.constraint.c=0.02",
    "lambda=5": "loss/penalty=gradient loss.penalty.gradient.weight=5",
    "lambda=5 loss=wgan_gp": "loss.penalty.gradient.weight=5",
    "loss.lambda=5": "loss/penalty=gradient loss.penalty.gradient.weight=5",
    "weight=10": "loss/penalty=r1 loss.penalty.r1.weight=10",
    "weight=10 loss=wgan_gp": "loss.penalty.gradient.weight=10",
    "loss.penalty.r1.weight=10": "loss/penalty=r1 loss.penalty.r1.weight=10",
    "sigma=0.3": "noise=constant noise.start=0.3",
    "noise.sigma=0.3": "noise=constant noise.start=0.3",
    "noise.sigma=0.3 noise=linear": "noise.start=0.3",
    "noise=0.1": "noise=constant noise.start=0.1",
    "ema=0.999": "ema.half_life=693",
    "ema_decay=0.99": "ema.half_life=69",
    "train=1000": "train.steps=1000",
    "path=photos": "dataset=image_folder dataset.path=photos",
    "data_dir=photos": "dataset=image_folder dataset.path=photos",
    "optimiser=sgd": "optimizer=sgd",
    "los=wgan": "loss=wgan",
    "model=dcgan": "architecture=dcgan",
    # Options by case, beginning, or another name; paths in their place.
    "loss=WGAN": "loss=wgan",
    "loss=wgan-gp": "loss=wgan_gp",
    "loss=wgn": "loss=wgan",
    "loss=ns": "loss=jsd",
    "loss=nsgan": "loss=jsd",
    "loss=vanilla": "loss=jsd",
    "loss=non_saturating": "loss=jsd",
    "loss=gp": "loss=wgan_gp",
    "loss/penalty=gp": "loss/penalty=gradient",
    "loss.penalty=r1": "loss/penalty=r1",
    "optimizer.decay=cosine": "optimizer/decay=cosine",
    "+loss=wgan": "loss=wgan",
    "dataset=cifar": "dataset=cifar10",
    "dataset=CIFAR10": "dataset=cifar10",
    "dataset=celeba": "dataset=image_folder dataset.path=DIR",
    "dataset=photos": "dataset=image_folder dataset.path=photos",
    "dataset=photos/": "dataset=image_folder dataset.path=photos/",
    "dataset=./nowhere/photos": "dataset=image_folder dataset.path=./nowhere/photos",
    "dataset=poems.txt": "algorithm=seqgan dataset=text dataset.path=poems.txt",
    "device=gpu": "device=cuda",
    "device=cuda:1": "device=cuda device.index=1",
    "noise=annealed": "noise=linear",
    "architecture=cnn": "architecture=dcgan",
    "optimizer=RMSProp": "optimizer=rmsprop",
    # Several values.
    "loss=jsd,wgan": "gan-train -m loss=jsd,wgan",
    "loss=[jsd,wgan]": "gan-train -m loss=jsd,wgan",
    "loss=jsd loss=wgan": "gan-train -m loss=jsd,wgan",
    "'seed=range(3)'": "gan-train -m 'seed=range(3)'",
    "loss/penalty=r1,r2": "loss/penalty=[r1,r2]",
    "optimizer.betas=0.5,0.9": "optimizer.betas=[0.5,0.9]",
}
# Words of libraries that an answer explains, or leaves out.
JARGON = (
    "_target_",
    "struct",
    "EOF",
    "mismatched",
    "EQUAL",
    "omegaconf",
    "OmegaConf",
    "subclass",
    "object_type",
    "node",
)


@pytest.fixture
def things(workplace: Path) -> None:
    """What a user has in the working directory: photos, a text, a run, a sweep."""
    for folder in ("photos", "my photos"):
        (workplace / folder).mkdir()
    (workplace / "poems.txt").write_text("a line\n")
    for run in ("a_run", "sweep/seed=0", "outputs/a"):
        write_run(Path(run))


def require_composes(typed: str, right: str) -> None:
    """Compose what should have been typed, of a sweep the first job. A part of a line replaces the first word."""
    others = [] if right.startswith("gan-train") else shlex.split(typed)[1:]
    words = [*others, *(word for word in shlex.split(right) if word not in ("gan-train", "-m", "--multirun"))]
    if words[:1] == ["--help"]:
        return
    for number, item in enumerate(words):
        override = OverrideText.split(item)
        if override.key == "resume":
            assert override.value == "last" or Path(str(override.value)).exists()
        if is_sweep(item):
            words[number] = override.with_value(
                "0" if override.value == "range(3)" else item.split("=")[1].split(",")[0]
            )
    register(plugins=False)
    compose(words)


# The others are slow together: each is composed two to five times.
QUICK = list(SLIPS)[::8]


@pytest.mark.parametrize(
    "typed", [pytest.param(typed, marks=[] if typed in QUICK else [pytest.mark.slow]) for typed in SLIPS]
)
@pytest.mark.usefixtures("things")
def test_answer_is_one_line_with_what_should_have_been_typed(typed: str, gan_train: Command) -> None:
    done = gan_train(*shlex.split(typed))
    assert done.status == 2
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert SLIPS[typed] in line
    assert not [word for word in JARGON if word in line]
    require_composes(typed, SLIPS[typed])


def test_slips_are_many() -> None:
    assert len(SLIPS) >= 60


UNKNOWN = [
    "--foo",
    "--foo=1",
    "foo",
    "xyzzy=1",
    "loss=xyzzy",
    "=5",
    "train=abc",
    "optimizer=1",
    "device=null",
    "",
    "loss.constraint=0.01",
    "noise=true",
]


@pytest.mark.parametrize("typed", UNKNOWN)
def test_what_nothing_is_close_to_costs_one_line_as_well(typed: str, gan_train: Command) -> None:
    done = gan_train(typed)
    assert done.status == 2
    (line,) = done.err.splitlines()
    assert "Did you mean" not in line
    assert not [word for word in JARGON if word in line]


def test_number_is_no_truth_value(gan_train: Command) -> None:
    assert gan_train("conditional=10").err == "gan-train: conditional: expected true or false, got '10'\n"


def test_words_of_a_sweep_are_answered_like_those_of_a_run(gan_train: Command) -> None:
    assert "Did you mean train.steps=100?" in gan_train("-m", "seed=0,1", "steps=100").err
    assert "Did you mean loss=wgan?" in gan_train("-m", "seed=0,1", "loss=WGAN").err


def test_bench_answers_alike(gan_bench: Command) -> None:
    done = gan_bench("loss", "wgan")
    assert (done.status, done.err.endswith("Did you mean gan-bench loss=wgan?\n")) == (2, True)


def test_every_other_name_of_an_option_leads_to_one_that_there_is() -> None:
    for group, names in OPTIONS.items():
        for name in names:
            assert name not in vocabulary().groups[group]
            meant = for_option(group, name, vocabulary().groups[group])
            assert meant is not None
            for item in map(OverrideText.split, meant.overrides):
                options = vocabulary().groups.get(item.key)
                assert options is None or str(item.value).strip("[]").split(",")[0] in options


def test_numbers_of_samples_are_those_of_the_data() -> None:
    from gan_cli.datasets.digits import Digits

    assert len(Digits().load().array) == SAMPLES["gan_cli.datasets.digits.Digits"]
