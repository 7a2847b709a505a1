"""The runs on the pretended device: every option below ``conf/``, what options do together, and planted mistakes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path

from tests.helpers.image_folder import make_folder
from tests.helpers.options import SMALL_ALGORITHMS, SMALL_WIDTHS, TRAINED_ELSEWHERE, small, trainable

# Two steps as they are, and one that is captured and replayed.
SHORT = (
    "device=cuda",
    "train.batch_size=8",
    "train.steps=3",
    "train.log_every=3",
    "train.sample_every=0",
    "train.sample_count=4",
)
# Groups that go together whatever their options: a run takes one of each.
SHARED = (
    ("noise", "optimizer/decay"),
    ("loss/penalty", "loss/anneal", "loss/top_k"),
    ("algorithm/beta", "algorithm/likelihood"),
    ("algorithm/schedule", "algorithm/reverse"),
)
# Groups whose options say nothing about how a step is computed, and recipes, which combine the options of others.
OTHER_GROUPS = ("device", "experiment", "callback", "logger")

DIGITS = ("architecture=mlp", "architecture.generator_hidden=[8,8]", "architecture.discriminator_hidden=[8,8]")
# Images in color that are no squares.
PICTURES = ("dataset=image_folder", "dataset.path=pictures", "dataset.size=[8,12]")
POINTS = ("dataset=ring8", "architecture.latent_dim=4", *DIGITS)
DCGAN = ("architecture=dcgan", "architecture.width=4")
CHECKPOINTS = ("train.checkpoint_every=2", "train.sample_every=2")
LONGER = ("train.steps=6", *CHECKPOINTS)
SKIP, MICRO = "train.non_finite=skip", "train.micro_batch=4"
ROLLBACK = ("train.non_finite=rollback", "diagnostics.rollback.lr_d=1e-38", "train.checkpoint_every=1", "train.steps=5")
# ADA with what its default leaves out, at a probability at which all of it happens.
WHOLE_ADA = (
    "augment=ada",
    "augment.probability=0.5",
    *(f"augment.{name}=true" for name in ("filter", "noise", "cutout")),
)
DETERMINISTIC, EAGER = "device.deterministic=true", "device.graph=false"
FEW = "algorithm.sampling_steps=2"
DIFFUSION = (
    "algorithm=diffusion",
    "algorithm/reverse",
    "algorithm/schedule",
    "architecture=unet",
    "architecture=denoiser_mlp",
)
# D's weights are not finite after the first step.
DIVERGING = ("optimizer.lr_d=1e38", "train.log_every=1")
MISTAKES = "tests.pretended_gpu.mistakes"


@dataclass(frozen=True)
class Run:
    """Commands that run one after the other in one folder, as in ``gan-train A B`` and then ``gan-train resume=run``.

    Attributes:
        commands: program and arguments of each.
        status: exit status of the last one; the others' is 0.
        captured: whether steps have to be captured and replayed as a CUDA graph.
        output: what the last one has to print.
        equal: two folders of runs whose last checkpoints have to be equal bitwise.
        rehearsed: whether torch says what makes the host wait; else CUDA itself finds it in the capture.
        watched: whether updates raise where they wait for the device.
        error: part of the message of the mistake that is planted in it; empty where there is none.
    """

    commands: tuple[tuple[str, ...], ...]
    status: int = 0
    captured: bool = True
    output: str = ""
    equal: tuple[str, ...] = ()
    rehearsed: bool = True
    watched: bool = True
    error: str = ""


def training(*overrides: str, folder: str = "run") -> tuple[str, ...]:
    """``gan-train`` of a short run."""
    return ("gan-train", *SHORT, f"hydra.run.dir={folder}", *overrides)


def resumed(*overrides: str) -> Run:
    """A run in two parts, and the same run in one, which has to come to the same; both are deterministic."""
    overrides = (*overrides, DETERMINISTIC)
    return Run(
        (
            training(*overrides, *LONGER, folder="whole"),
            training(*overrides, *CHECKPOINTS),
            ("gan-train", "resume=run", *LONGER),
        ),
        equal=("run", "whole"),
    )


def eager(*overrides: str) -> Run:
    """A run whose steps are captured, and the same run as it is, which has to come to the same."""
    return Run((training(*overrides, EAGER, folder="eager"), training(*overrides)), equal=("run", "eager"))


def train(*overrides: str) -> Run:
    return Run((training(*overrides),))


def names_of_options() -> list[str]:
    """``group=option`` for all that a step can be made of and that needs no download; some share a run."""
    names = [name for name in trainable() if name.partition("=")[0] not in OTHER_GROUPS]
    names = [name for name in names if name not in TRAINED_ELSEWHERE and not name.endswith("=none")]
    shared = [
        " ".join(filter(None, row))
        for groups in SHARED
        for row in zip_longest(*([name for name in names if name.partition("=")[0] == group] for group in groups))
    ]
    return [*(name for name in names if name.partition("=")[0] not in chain(*SHARED)), *shared]


def option(name: str, folder: Path) -> Run:
    """The run that chooses an option, or those of a name with spaces, and is as small as that allows."""
    options = name.split()
    overrides = small(options[-1], folder)  # the same for all that share a run
    if any(each.startswith(DIFFUSION) for each in options):
        overrides = [*overrides, FEW]
    eager = any(each == "algorithm=seqgan" for each in (*options, *overrides))
    return replace(train(*overrides, *options), captured=not eager)


def _together() -> dict[str, Run]:
    vae, diffusion, seqgan = (tuple(SMALL_ALGORITHMS[name]) for name in ("vae", "diffusion", "seqgan"))
    gans = {
        "pac": (*POINTS, "pac=2"),
        "pac, ada": (*DCGAN, "pac=2", "augment=ada"),
        "conditional": (*DCGAN, "conditional=true", "loss.d_steps=2"),
        "conditional, reuse, relativistic": (*DCGAN, "conditional=true", "loss=rgan", "loss.reuse=true"),
        "streamed": (*DIGITS, "device.data=streamed"),
        "streamed, conditional, bf16": (*DCGAN, "device.data=streamed", "conditional=true", "device.precision=bf16"),
        "fixed points": (*POINTS, "dataset.count=100"),
        "spectral norm, conditional": (
            "architecture=resnet",
            *SMALL_WIDTHS["resnet"],
            "conditional=true",
            "loss=hinge",
            "loss.d_steps=2",
            DETERMINISTIC,
        ),
        "r3gan, ada, conditional": (
            "architecture=r3gan",
            *SMALL_WIDTHS["r3gan"],
            "architecture.blocks=1",
            "loss=r3gan",
            "augment=ada",
            "conditional=true",
            DETERMINISTIC,
        ),
        "frozen blocks": (*DCGAN, "freeze.d=1", "freeze.g=1", "architecture.spectral_norm=true", "loss/penalty=r1"),
        "lazy penalties": (*DCGAN, "loss=lsgan", "loss/penalty=r1", "loss.penalty.r1.every=2", "train.steps=8"),
        "skip, ada, adaptive noise": (*DCGAN, SKIP, "augment=ada", "noise=adaptive"),
        "skipped updates": (*DIGITS, SKIP, *DIVERGING),
        "branches, octaves": (*POINTS, "architecture.codes=2", "architecture.octaves_d=2"),
        "float32 without TF32": (*DCGAN, "device.precision=fp32", "device.tf32=false", "device.channels_last=false"),
        "replicas": (*POINTS, "train.replicas=2", "loss=wgan", "noise=linear", *CHECKPOINTS),
        "replicas, conditional": (*DCGAN, "train.replicas=2", "conditional=true"),
        "evaluated": (*POINTS, "train.eval_every=2", "evaluation.samples=60"),
        "micro-batches, ada, pac": (*DCGAN, "pac=2", "augment=ada", "loss=wgan_gp", "noise=linear", MICRO),
        "micro-batches, reuse, relativistic, skip": (*DIGITS, "loss=rgan", "loss.reuse=true", SKIP, MICRO),
    }
    families = {
        "vae, convolutions": ("algorithm=vae", "architecture=vae_conv", *SMALL_WIDTHS["vae_conv"]),
        "vae, points": ("algorithm=vae", *vae, "dataset=ring8", "algorithm/likelihood=gaussian"),
        "vae, learned variance, free bits": (
            "algorithm=vae",
            *vae,
            "algorithm/likelihood=gaussian",
            "algorithm.likelihood.learned=true",
            "algorithm.free_bits=0.1",
        ),
        "vae, micro-batches": ("algorithm=vae", *vae, MICRO),
        "vae, skip, streamed": ("algorithm=vae", *vae, SKIP, "device.data=streamed"),
        "diffusion, conditional": ("algorithm=diffusion", *diffusion, FEW, "conditional=true", "algorithm.guidance=2"),
    }
    pixels = ("--backbone", "pixels", "--n", "20")
    commands = {
        "captured or not": eager(*DIGITS, "loss=wgan_gp", "noise=linear", "device.data=streamed"),
        "captured or not: all of ada": eager(*DCGAN, *WHOLE_ADA, "augment.images=100", DETERMINISTIC),
        "captured or not: all of ada, in color": eager(*PICTURES, *DCGAN, *WHOLE_ADA, DETERMINISTIC),
        "resume: ada, conditional": resumed(*DCGAN, "augment=ada", "conditional=true"),
        "resume on another kind of device": Run(
            (training(*DIGITS, "noise=linear", *CHECKPOINTS), ("gan-train", "resume=run", "device=cpu", *LONGER)),
            captured=False,
            output="this run has been trained on cuda and continues on cpu",
        ),
        "seqgan: resume on another kind of device": Run(
            (
                training("algorithm=seqgan", *seqgan, *CHECKPOINTS),
                ("gan-train", "resume=run", "device=cpu", *LONGER),
                ("gan-train", "resume=run", "device=cuda", "train.steps=8"),
            ),
            captured=False,
            output="this run has been trained on cpu and continues on cuda",
        ),
        "init and fork": Run(
            (
                training(*DIGITS, *CHECKPOINTS),
                ("gan-train", *DIGITS, *SHORT, "init=run", "freeze.d=1", "hydra.run.dir=second"),
                ("gan-train", "fork=run", "optimizer.lr_g=1e-5", "train.steps=8", "hydra.run.dir=third"),
            )
        ),
        "rollback": Run((training(*DIGITS, *DIVERGING, *ROLLBACK),), output="rollback 1 of"),
        "not finite": Run(
            (training(*DIGITS, *DIVERGING),), status=4, captured=False, output="the first tensor that was not finite: "
        ),
        "gan-sample, gan-eval, gan-export": Run(
            (
                training(*DCGAN),
                ("gan-sample", "run", "--out", "samples.npy"),
                ("gan-sample", "run", "--out", "samples.npy", "--device", "cpu"),
                ("gan-eval", "run", *pixels),
                ("gan-export", "run", "--format", "safetensors"),
            )
        ),
    }
    of_families: dict[str, tuple[str, ...]] = {
        "vae": ("algorithm=vae", *vae),
        "diffusion": ("algorithm=diffusion", *diffusion, FEW, "optimizer/decay=none"),  # cosine: over train.steps
    }
    for name, overrides in of_families.items():
        run = resumed(*overrides)
        commands[f"{name}: resume, gan-eval"] = replace(run, commands=(*run.commands, ("gan-eval", "run", *pixels)))
    run = resumed("algorithm=seqgan", *seqgan)
    text = (("gan-sample", "run", "--n", "4"), ("gan-eval", "run", "--n", "10"))
    commands["seqgan: resume, gan-sample, gan-eval"] = replace(run, commands=(*run.commands, *text), captured=False)
    return {
        **{name: train(*overrides) for name, overrides in gans.items()},
        **{name: train(*overrides) for name, overrides in families.items()},
        **commands,
    }


TOGETHER = _together()


def planted(mistake: str, error: str, *overrides: str) -> Run:
    """A run whose loss makes a mistake."""
    run = train(*POINTS, f"loss.objective._target_={MISTAKES}.{mistake}", *overrides)
    return replace(run, captured=False, watched=False, error=error)


SYNCHRONIZING = "called a synchronizing CUDA operation"
CAPTURING = "operation not permitted when stream is capturing"


def failing(mistake: str, error: str) -> Run:
    """A run whose capture fails by a mistake: it goes on as if nothing had been captured."""
    target = f"loss.objective._target_={MISTAKES}.{mistake}"
    return replace(eager(*POINTS, *CHECKPOINTS, target), captured=False, watched=False, error=error)


WAITING = {
    "number read": "ReadsNumber",
    "branch": "Branches",
    "boolean index": "SelectsRows",
    "copied from the host": "CopiesFromHost",
    "copied to the host": "CopiesToHost",
}
REHEARSED = "not recorded: the step reads from the device, or waits for it"
PLANTED = {
    "mixed devices": planted("MixesDevices", "Expected all tensors to be on the same device"),
    "index on another device": planted("IndexesHost", "indices should be either on cpu or on the same device"),
    "number of the host": planted("UsesHostNumber", CAPTURING),
    "unregistered generator": planted("DrawsUnregistered", "for a CUDA generator not in capture mode"),
    "generator made": planted("MakesGenerator", "Cannot construct a new CUDAGeneratorImpl"),
    **{name: planted(mistake, REHEARSED) for name, mistake in WAITING.items()},
    "order of a sum": planted("AddsInAnyOrder", "does not have a deterministic implementation", DETERMINISTIC),
    "pageable memory": planted("CopiesFromPageableMemory", "not page-locked", EAGER),
    "buffer overwritten": planted("OverwritesBuffer", "memory was changed before the copy from it had ended", EAGER),
    "number read, eagerly": replace(planted("ReadsNumber", SYNCHRONIZING, EAGER), watched=True),
    "number read later": failing("ReadsNumberLater", SYNCHRONIZING),
    "device waited for": failing("WaitsForDevice", CAPTURING),
    **{
        f"{name}, found by CUDA": replace(planted(mistake, CAPTURING), rehearsed=False)
        for name, mistake in WAITING.items()
    },
}


def names() -> list[str]:
    """The names of all runs but the planted mistakes."""
    return [*names_of_options(), *TOGETHER]


def run_of(name: str, folder: Path) -> Run:
    """The run of a name; its folder may get the data that it needs."""
    run = {**TOGETHER, **PLANTED}.get(name) or option(name, folder)
    if any("dataset.path=pictures" in command for command in run.commands):
        make_folder(folder / "pictures", 16)
    return run
