"""Names that the literature and other programs have for keys and options of this one. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gan_cli.config.numbers import as_number, as_truth_value

# dotted.key -> value, of the options chosen so far.
Composed = Mapping[str, Any]


@dataclass(frozen=True)
class Converted:
    """A value in the unit of another key.

    Attributes:
        value: as it is typed.
        reason: how it was computed, in words; empty where it is the same.
    """

    value: str
    reason: str = ""


Conversion = Callable[[str, Composed], Converted | None]


def as_typed(value: str, composed: Composed) -> Converted | None:
    """Return the value, whatever it is, as it was typed."""
    return Converted(value)


def number(value: str, composed: Composed) -> Converted | None:
    """Return a number as it was typed; None for anything else."""
    return None if as_number(value) is None else Converted(value)


@dataclass(frozen=True)
class Term:
    """Meaning of a name that is none of this program.

    Attributes:
        key: the key, or the config group.
        option: ``group=option`` to be chosen first, where the chosen options do not have the key; empty: none.
        convert: makes the value of the key; it returns None where the value cannot be meant.
    """

    key: str
    option: str = ""
    convert: Conversion = as_typed


# Training samples of the datasets whose number is known before they are read; others have a key `dataset.count`.
SAMPLES = {
    "gan_cli.datasets.digits.Digits": 1797,
    "gan_cli.datasets.mnist.Mnist": 60_000,
    "gan_cli.datasets.mnist.FashionMnist": 60_000,
    "gan_cli.datasets.cifar.Cifar10": 50_000,
    "gan_cli.datasets.cifar.Cifar100": 50_000,
    "gan_cli.datasets.svhn.Svhn": 73_257,
    "gan_cli.datasets.stl10.Stl10": 5_000,
}


def steps_of_epochs(value: str, composed: Composed) -> Converted | None:
    """Return the steps in which D sees all training samples so many times."""
    epochs = as_number(value)
    count = composed.get("dataset.count") or SAMPLES.get(str(composed.get("dataset._target_")))
    batch = composed.get("train.batch_size")
    if epochs is None or not isinstance(batch, int):
        return None
    if not isinstance(count, int):
        return Converted(
            str(composed.get("train.steps")), "train.batch_size samples each; how many samples there are is not known"
        )
    held_out, updates = composed.get("train.held_out"), composed.get("loss.d_steps")
    seen = count - int(count * held_out) if isinstance(held_out, float) else count
    per_step = batch * (updates if isinstance(updates, int) else 1)
    shown = f"{seen:,} samples, {per_step:,} a step"
    return Converted(str(max(1, round(epochs * seen / per_step))), f"{value} epochs of {shown}")


def half_life(value: str, composed: Composed) -> Converted | None:
    """Return the half-life of a moving average with a decay rate; steps stay steps."""
    decay = as_number(value)
    if decay is None or not 0 < decay < 1:
        return None if decay is None else Converted(value)
    return Converted(f"{math.log(0.5) / math.log(decay):.3g}", f"the steps in which {value} a step come to a half")


def beta(place: int) -> Conversion:
    """Return the conversion of one of Adam's two betas to the list of both."""

    def convert(value: str, composed: Composed) -> Converted | None:
        both = composed.get("optimizer.betas")
        betas = [str(each) for each in both] if isinstance(both, list) and len(both) == 2 else ["0.5", "0.999"]
        betas[place] = value
        return Converted(f"[{','.join(betas)}]")

    return convert


def gpu_or_cpu(value: str, composed: Composed) -> Converted | None:
    """Return the device for a switch such as ``cuda=true``."""
    truth = {"1": True, "0": False}.get(value, as_truth_value(value))
    return None if truth is None else Converted("cuda" if truth else "cpu")


def gpu_number(value: str, composed: Composed) -> Converted | None:
    """Return the number of a GPU."""
    return Converted(value) if value.isdecimal() else None


def sixteen_bits(value: str, composed: Composed) -> Converted | None:
    """Return the number format for a switch such as ``amp=true``."""
    truth = {"1": True, "0": False}.get(value, as_truth_value(value))
    return Converted("fp32" if truth is False else "bf16")


def switched_on(value: str, composed: Composed) -> Converted | None:
    """Return ``true`` for a value that is no truth value, such as a number of classes."""
    return Converted(value if as_truth_value(value) is not None else "true")


def _terms(meanings: Mapping[str, tuple[Term, ...]]) -> dict[str, tuple[Term, ...]]:
    return {name: terms for names, terms in meanings.items() for name in names.split()}


# Name, in lower case without hyphens and underscores -> what it means: the first whose key is there, else the first.
KEYS = _terms(
    {
        "train training step iterations iters iter niter numsteps maxsteps totalsteps trainingsteps": (
            Term("train.steps", convert=number),
        ),
        "epochs epoch nepochs numepochs maxepochs": (Term("train.steps", convert=steps_of_epochs),),
        "bs batch minibatch batchsz": (Term("train.batch_size"),),
        "learningrate": (Term("optimizer.lr"),),
        "glr lrgenerator generatorlr learningrateg": (Term("optimizer.lr_g"),),
        "dlr lrdiscriminator discriminatorlr lrcritic learningrated": (Term("optimizer.lr_d"),),
        "beta1 b1 adambeta1": (Term("optimizer.betas", convert=beta(0)),),
        "beta2 b2 adambeta2": (Term("optimizer.betas", convert=beta(1)),),
        "k ncritic criticiters criticsteps diters ndis disciters numdsteps": (Term("loss.d_steps"),),
        "clip clipvalue clamp weightclip c": (Term("loss.constraint.c", "loss=wgan"),),
        "lambda lam lambdagp gplambda gpweight gradientpenalty": (
            Term("loss.penalty.gradient.weight", "loss/penalty=gradient"),
        ),
        "gamma r1gamma r1weight": (Term("loss.penalty.r1.weight", "loss/penalty=r1"),),
        "sigma noisestd noiselevel instancenoise noise": (Term("noise.start", "noise=constant"),),
        "zdim dimz nz z latentsize noisedim nlatent": (Term("architecture.latent_dim"),),
        "ngf": (Term("architecture.width_g", "architecture=dcgan"),),
        "ndf": (Term("architecture.width_d", "architecture=dcgan"),),
        "spectral sn usesn spectralnormalization": (Term("architecture.spectral_norm", convert=switched_on),),
        "imagesize imgsize imsize resolution": (Term("dataset.size", "dataset=mnist"),),
        "workers numworkers nworkers": (Term("dataset.workers"), Term("device.threads")),
        "gpu gpuid gpuids gpus cudadevice": (
            Term("device.index", convert=gpu_number),
            Term("device", convert=gpu_or_cpu),
        ),
        "cuda usecuda usegpu": (Term("device", convert=gpu_or_cpu),),
        "amp fp16 half mixedprecision": (Term("device.precision", convert=sixteen_bits),),
        "outputdir outdir out output savedir logdir rundir workdir": (Term("hydra.run.dir"),),
        "resumefrom checkpoint ckpt ckptpath restore": (Term("resume"),),
        "ema emadecay emabeta emarate": (Term("ema.half_life", convert=half_life),),
        "randomseed manualseed rngseed": (Term("seed"),),
        "cond cgan classconditional": (Term("conditional", convert=switched_on),),
        "pack packing pacgan": (Term("pac"),),
        "saveevery savefreq saveinterval checkpointfreq": (Term("train.checkpoint_every"),),
        "logfreq loginterval printfreq printevery": (Term("train.log_every"),),
        "sampleinterval samplefreq displayfreq": (Term("train.sample_every"),),
        "evalinterval evalfreq": (Term("train.eval_every"),),
        "loggers reportto logwith tracker": (Term("logger"),),
        "wandbproject": (Term("logger.wandb.project", "logger=wandb"),),
        "minutes maxtime timelimit": (Term("train.max_minutes"),),
        "model arch net network": (Term("architecture"),),
        "criterion lossfn ganmode gantype losstype advloss": (Term("loss"),),
        "opt optim": (Term("optimizer"),),
        "data datadir datapath dataroot path root folder": (Term("dataset"),),
        "aug augmentation": (Term("augment"),),
        "scheduler lrscheduler lrdecay lrpolicy": (Term("optimizer/decay"),),
    }
)


# What stands for a name of the user's own in these.
PLACEHOLDERS = {"DIR": "DIR: a folder of images", "FILE": "FILE: a text with a sentence on each line"}


def _options(meanings: Mapping[str, str]) -> dict[str, str]:
    return {name: meant for names, meant in meanings.items() for name in names.split()}


# Overrides that learn a text of the user's own.
TEXT = ("algorithm=seqgan", "dataset=text")

# Group -> name in the same form -> what is typed instead.
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "loss": _options(
        {
            "ns nsgan nonsaturating vanilla gan original standard bce logistic js": "loss=jsd",
            "saturating mm mmgan zerosum value": "loss=minimax",
            "gp gradientpenalty wassersteingp": "loss=wgan_gp",
            "wasserstein earthmover emd w1 w": "loss=wgan",
            "ls mse l2 leastsquares": "loss=lsgan",
            "sngan geometric": "loss=hinge",
            "relativistic rsgan rpgan": "loss=rgan",
            "r1": "loss/penalty=r1",
            "r2": "loss/penalty=r2",
        }
    ),
    "loss/penalty": _options({"gp wgangp gradientpenalty lp": "loss/penalty=gradient", "r1r2": "loss/penalty=[r1,r2]"}),
    "optimizer": _options({"adamw": "optimizer=adam", "momentum": "optimizer=sgd"}),
    "device": _options({"gpu nvidia": "device=cuda", "metal apple": "device=mps"}),
    "noise": _options({"anneal annealed annealing": "noise=linear", "gaussian fixed instance": "noise=constant"}),
    "logger": _options({"tb": "logger=tensorboard", "wb weightsandbiases": "logger=wandb", "table": "logger=csv"}),
    "augment": _options({"adaptive": "augment=ada"}),
    "algorithm": _options({"ddpm": "algorithm=diffusion", "ae": "algorithm=autoencoder"}),
    "architecture": _options(
        {"cnn conv convnet": "architecture=dcgan", "fc dense linear fullyconnected": "architecture=mlp"}
    ),
    "dataset": _options(
        {
            "fmnist": "dataset=fashion_mnist",
            "optdigits": "dataset=digits",
            "ring gaussians mog gmm mixture 8gaussians": "dataset=ring8",
            "grid 25gaussians": "dataset=grid25",
            "moons": "dataset=two_moons",
            "spiral": "dataset=swiss_roll",
            "hf hub": "dataset=huggingface",
            "sentences captions poems": f"{' '.join(TEXT)} dataset.path=FILE",
            "images photos imagefolder folder custom celeba celebahq lsun ffhq imagenet omniglot"
            " afhq flowers coco tinyimagenet usps anime": "dataset=image_folder dataset.path=DIR",
            "kmnist emnist qmnist ubyte": "dataset=idx dataset.path=FILE",
            "zip tar targz webdataset wds shards archive": "dataset=image_archive dataset.path=FILE",
        }
    ),
}
