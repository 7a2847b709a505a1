"""Probes of numbers: equal to those of a CPU, the same in every run, in the right format."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from benchmarks.gpu import runs
from benchmarks.gpu.findings import one_line
from benchmarks.gpu.probes.answer import DCGAN, DIGITS, FLOAT32, POINTS, Answer
from benchmarks.gpu.setting import Setting
from gan_cli.runtime.rng import SeededStream

# Updates after which weights are compared.
UPDATES = 3
# Largest difference of the weights, as a share of how far training has moved them.
TOLERANCE = 0.02
SGD = ("optimizer=sgd", "optimizer.lr=0.01")
# Whose updates divide by the gradient: where it is next to nothing, rounding decides the sign of the step.
ADAPTIVE_TOLERANCE = 0.2
RESNET = ("architecture=resnet", "architecture.width_g=8", "architecture.width_d=8", "architecture.spectral_norm=true")
R3GAN = ("architecture=r3gan", "architecture.width=16", "architecture.cardinality=4")
AGAINST_CPU: dict[str, tuple[str, ...]] = {
    "mlp": (*DIGITS, *SGD),
    "adam": (*DIGITS, "optimizer=adam", "architecture.norm_g=none"),
    "wgan, rmsprop": (*DIGITS, "loss=wgan", "loss.warmup.enabled=false", "architecture.norm_g=none"),
    "dcgan, noise": (*DCGAN, *SGD, "noise=constant"),
    "minimax": (*DCGAN, *SGD, "loss=minimax"),
    "wgan_gp": (*DCGAN, *SGD, "loss=wgan_gp", "architecture.norm_d=none"),
    "lsgan, diffaugment": (*DCGAN, *SGD, "loss=lsgan", "augment=diffaugment"),
    "hinge, resnet, classes": (*RESNET, *SGD, "loss=hinge", "conditional=true", "train.batch_size=16"),
    "r3gan": (*R3GAN, *SGD, "loss=r3gan", "train.batch_size=16"),
    "rgan, pac": (*POINTS, *SGD, "loss=rgan", "pac=2"),
    "dragan, layer norm": (*DCGAN, *SGD, "loss=dragan", "architecture.norm_g=layer", "architecture.norm_d=instance"),
    "roth": (*DCGAN, *SGD, "loss=roth"),
    "vae": ("algorithm=vae", *SGD, "train.batch_size=16"),
    "autoencoder": ("algorithm=autoencoder", *SGD, "train.batch_size=16"),
    "diffusion": ("algorithm=diffusion", *SGD, "train.batch_size=16"),
}
TINY = ("mlp", "adam", "hinge, resnet, classes", "vae", "diffusion")


@contextlib.contextmanager
def drawing_on_the_host() -> Iterator[None]:
    """Let every random stream draw its numbers on the CPU, from its own seed: the same ones for each device."""
    generators: dict[int, torch.Generator] = {}
    host = torch.device("cpu")

    def generator_of(stream: SeededStream) -> torch.Generator:
        own = stream._generator
        if id(own) not in generators:
            generators[id(own)] = torch.Generator(host).manual_seed(own.initial_seed())
        return generators[id(own)]

    def normal(stream: SeededStream, rows: int, width: int) -> Tensor:
        return torch.randn(rows, width, generator=generator_of(stream)).to(stream._generator.device)

    def normal_like(stream: SeededStream, samples: Tensor) -> Tensor:
        return torch.empty_like(samples).copy_(torch.randn(samples.shape, generator=generator_of(stream)))

    def uniform(stream: SeededStream, *shape: int) -> Tensor:
        return torch.rand(shape, generator=generator_of(stream)).to(stream._generator.device)

    def integers(stream: SeededStream, high: int, rows: int) -> Tensor:
        return torch.randint(high, (rows,), generator=generator_of(stream)).to(stream._generator.device)

    drawn: tuple[Callable[..., Tensor], ...] = (normal, normal_like, uniform, integers)
    with contextlib.ExitStack() as stack:
        for method in drawn:
            stack.enter_context(mock.patch.object(SeededStream, method.__name__, method))
        yield


def networks(algorithm: Any) -> list[torch.nn.Module]:
    """Return the networks that an algorithm trains, whatever its family."""
    public = {name: part for name, part in vars(algorithm).items() if isinstance(part, torch.nn.Module)}
    return [part for name, part in public.items() if not name.startswith("_")]


def against_cpu(setting: Setting) -> Iterator[Answer]:
    """Compare weights after a few eager updates with those of the CPU, from the same random numbers."""
    for name in TINY if setting.tiny else AGAINST_CPU:
        tolerance = TOLERANCE if "optimizer=sgd" in AGAINST_CPU[name] else ADAPTIVE_TOLERANCE
        # Each by itself: the others are worth knowing.
        try:
            off, moved = _difference(setting, AGAINST_CPU[name])
        except Exception as error:
            yield Answer(f"against the CPU: {name}", False, {"raised": one_line(error)})
        else:
            right = moved > 0 and off <= tolerance * moved
            yield Answer(f"against the CPU: {name}", right, {"off": off / max(moved, 1e-30), "tolerance": tolerance})


def _difference(setting: Setting, overrides: tuple[str, ...]) -> tuple[float, float]:
    """Return how far the weights of both devices are apart, and how far the CPU's have moved: norms."""
    found, start = [], torch.zeros(())
    with drawing_on_the_host():
        for place in (setting, replace(setting, device="cpu")):
            eager = () if place.device == "cpu" else ("device.graph=false",)
            algorithm = runs.assemble(place, *overrides, *FLOAT32, *eager)
            start = runs.weights(*networks(algorithm))
            found.append(runs.weights(*networks(runs.advance(algorithm, range(UPDATES)))))
            algorithm.close()
    return float((found[0] - found[1]).norm()), float((found[1] - start).norm())


def deterministic(setting: Setting) -> Iterator[Answer]:
    """Train twice, with and without ``device.deterministic``, and compare bitwise."""
    rows = {"mlp": DIGITS, "dcgan": DCGAN, "wgan_gp": (*DCGAN, "loss=wgan_gp", "architecture.norm_d=none")}
    for name, overrides in list(rows.items())[: setting.pick(len(rows), 1)]:
        for required in (True, False):
            options = (*overrides, f"device.deterministic={str(required).lower()}")
            first, second = (runs.advance(runs.assemble(setting, *options), range(6)) for _ in range(2))
            equal = torch.equal(runs.weights(*networks(first)), runs.weights(*networks(second)))
            what = "device.deterministic" if required else "left to itself"
            yield Answer(f"two runs are equal bitwise: {name}, {what}", equal if required else None, {"equal": equal})


def cublas_workspace(setting: Setting) -> Iterator[Answer]:
    """Ask for a deterministic run in a process that has multiplied before: cuBLAS chooses its workspace only once."""
    inherited = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    runs.advance(runs.assemble(setting, *DIGITS), range(2))
    runs.advance(runs.assemble(setting, *DIGITS, "device.deterministic=true"), range(4))
    yield Answer("a deterministic run after another one", True, {"inherited": inherited})


def bf16_rule(setting: Setting) -> Iterator[Answer]:
    """Ask for the precision that ``auto`` chooses: bf16 for convolutions where the card has it, never for points."""
    native = setting.device == "cuda" and torch.cuda.get_device_capability()[0] >= 8
    rows = {"points": (POINTS, False), "small": (DIGITS, False), "convolutions": (("architecture=dcgan",), native)}
    for name, (overrides, expected) in rows.items():
        precision = runs.plan(setting, overrides).device.facts()["precision"]
        right = None if setting.device == "cpu" else (precision == "bf16") == expected
        yield Answer(f"precision of {name}", right, {"precision": precision, "card_has_bf16": native})
