"""Diffusion models of a few weights, made by hand; as a program, what two processes make of one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.diffusion.denoiser_mlp import DenoiserMLP
from gan_cli.algorithms.diffusion.networks import DenoiserArchitecture
from gan_cli.algorithms.diffusion.process import Prediction
from gan_cli.algorithms.diffusion.schedules import CosineAlphaBars, NoiseSchedule
from gan_cli.algorithms.diffusion.trainer import Diffusion
from gan_cli.algorithms.diffusion.transitions import DDIM, ReverseSampler
from gan_cli.algorithms.diffusion.unet import UNet
from gan_cli.algorithms.nonfinite import TrackNonFinite
from gan_cli.components.optimizers import Adam
from gan_cli.config.schema import DataPlacement
from gan_cli.data.probe_batches import split_data
from gan_cli.data.samplers import choose_sampler
from gan_cli.datasets.digits import Digits
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.protocols.data import Batch, Density, Images
from gan_cli.runtime import distributed
from gan_cli.runtime.device import Device
from gan_cli.runtime.distributed import ProcessGroup, SingleProcess
from tests.helpers.single_optimizer import after, weights

CPU = torch.device("cpu")
TINY = DenoiserMLP(width=16, blocks=1, embedding=8)
TINY_UNET = UNet(width=8, multipliers=(1, 1), groups=2)


def digits(labels: bool = False) -> Images:
    images = Digits().load()
    assert isinstance(images, Images)
    return images if labels else Images(images.array)


def ring() -> Density:
    return Ring().load()


def build_diffusion(
    *,
    architecture: DenoiserArchitecture = TINY,
    source: Images | Density | None = None,
    schedule: NoiseSchedule | None = None,
    reverse: ReverseSampler | None = None,
    batch_size: int = 16,
    seed: int = 0,
    half_life: float = 5.0,
    lr: float = 1e-2,
    conditional: bool = False,
    sample_count: int = 4,
    group: ProcessGroup | None = None,
    nonfinite_policy: Callable[[torch.device, Sequence[str]], Any] = TrackNonFinite,
    **settings: Any,
) -> Diffusion:
    """A model of digits, or of another source, in float32 on the CPU; of 100 timesteps, sampled in 5 steps."""
    source = digits(conditional) if source is None else source
    group = group or SingleProcess()
    parts = split_data(source, 0.05)
    labels = source.labels if isinstance(source, Images) and conditional else None
    context = Context(
        shape=source.array.shape[1:] if isinstance(source, Images) else (2,),
        condition=0 if labels is None else int(np.max(labels)) + 1,
        device=Device(CPU, None, channels_last=False, compile=False, graph=False),
        seed=seed,
        batch_size=batch_size // group.size,
        pac=1,
        log_every=5,
        sample_count=sample_count,
        half_life=half_life,
        labels=labels,
        group=group,
        nonfinite_policy=nonfinite_policy,
    )
    sampler = choose_sampler(parts.train, batch_size, CPU, DataPlacement.resident)
    chosen: dict[str, Any] = {
        "timesteps": 100,
        "prediction": Prediction.v,
        "sampling_steps": 5,
        "label_dropout": 0.1,
        "guidance": 1.0,
    }
    return Diffusion(
        context=context,
        architecture=architecture,
        optimizer=Adam(lr=lr, betas=(0.9, 0.999)),
        sampler=sampler(parts.train, batch_size // group.size, seed, CPU, 2, group),
        probe_batches=parts.probe_batches(seed, CPU),
        schedule=schedule or CosineAlphaBars(),
        reverse=reverse or DDIM(),
        **{**chosen, **settings},
    )


def poisoned(algorithm: Diffusion) -> None:
    """Let its next samples be no numbers."""
    samples = torch.full((16, *algorithm.context.shape), torch.nan)
    algorithm.sampler.take = lambda batches: Batch(samples)  # type: ignore[method-assign]


# What several processes have to make of a batch as one does.
TOGETHER: dict[str, Callable[[ProcessGroup], Diffusion]] = {
    "digits": lambda group: build_diffusion(group=group),
    "classes": lambda group: build_diffusion(conditional=True, label_dropout=0.5, group=group),
    "points": lambda group: build_diffusion(source=ring(), prediction=Prediction.v, group=group),
    "unet": lambda group: build_diffusion(architecture=TINY_UNET, group=group),
}


def figures(name: str, group: ProcessGroup) -> dict[str, float]:
    algorithm = after(3, TOGETHER[name](group))
    found = dict(algorithm.report().scalars)
    found["weights"] = float(weights(algorithm).double().abs().sum())
    return found


if __name__ == "__main__":
    with distributed.process_group() as together:
        everything = {name: figures(name, together) for name in TOGETHER}
        if together.rank == 0:
            Path(sys.argv[1]).write_text(json.dumps(everything))
