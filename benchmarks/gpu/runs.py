"""Runs of gan_cli inside a step's process, on data that need no files."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch

from benchmarks.gpu.setting import Setting
from benchmarks.recipes import CONF_DIR
from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.config.compose import compose, register
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.protocols.data import Images, LoadedData
from gan_cli.training import builder, planning
from gan_cli.training.planning import Plan

# As many images as MNIST has.
COUNT = 60_000


def plan(setting: Setting, overrides: Sequence[str]) -> Plan:
    """Plan a run on the device of the steps; later overrides win."""
    register()
    return planning.plan(compose([f"device={setting.device}", *overrides], CONF_DIR).config)


def assemble(setting: Setting, *overrides: str, source: LoadedData | None = None) -> GANTrainer:
    """Assemble the algorithm of a GAN from overrides."""
    return cast(GANTrainer, builder.assemble(plan(setting, overrides), source=source))


def images(run: Plan, count: int = COUNT) -> Images:
    """Return random pixels and labels in the shapes of a dataset: speed does not depend on what they show."""
    random = np.random.default_rng(0)
    pixels = random.integers(256, size=(count, *run.dataset.shape), dtype=np.uint8)
    return Images(pixels, random.integers(run.dataset.classes or 1, size=count))


def advance(algorithm: Algorithm, steps: range) -> Algorithm:
    """Make updates, and return the algorithm."""
    for step in steps:
        algorithm.update(step)
    return algorithm


def synchronize() -> None:
    """Wait until the GPU has done all its work; a CPU has."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(act: Callable[[], object]) -> float:
    """Time a call, with the work on the device that it launches."""
    synchronize()
    start = time.perf_counter()
    act()
    synchronize()
    return time.perf_counter() - start


def graphs(algorithm: GANTrainer) -> int:
    """Return the number of kinds of steps that are captured as CUDA graphs."""
    return len(algorithm._captured_step._graphs)


def weights(*networks: torch.nn.Module) -> torch.Tensor:
    """Return all parameters of networks as one vector on the CPU, float32."""
    return torch.cat([value.detach().flatten().cpu() for network in networks for value in network.parameters()])
