"""Autoencoders and VAEs of a few weights, made by hand; as a program, what two processes make of one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from gan_cli.algorithms.autoencoders.autoencoder import Autoencoder
from gan_cli.algorithms.autoencoders.base import AutoencoderTrainer
from gan_cli.algorithms.autoencoders.vae import VAE
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.nonfinite import TrackNonFinite
from gan_cli.architectures.layers import Norm
from gan_cli.architectures.vae import Convolutional, FullyConnected
from gan_cli.components.likelihoods import Bernoulli, Gaussian, Likelihood
from gan_cli.components.optimizers import Adam
from gan_cli.components.schedules import Constant
from gan_cli.config.schema import DataPlacement
from gan_cli.data.probe_batches import split_data
from gan_cli.data.samplers import choose_sampler
from gan_cli.datasets.digits import Digits
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.protocols.architecture import AutoencoderArchitecture
from gan_cli.protocols.data import Batch, Density, Images
from gan_cli.runtime import distributed
from gan_cli.runtime.device import Device
from gan_cli.runtime.distributed import ProcessGroup, SingleProcess
from tests.helpers.single_optimizer import after

CPU = torch.device("cpu")
TINY = FullyConnected(latent_dim=4, encoder_hidden=(16,), generator_hidden=(16,), discriminator_hidden=(8,))
TINY_CONV = Convolutional(latent_dim=3, width=4)


def digits() -> Images:
    images = Digits().load()
    assert isinstance(images, Images)
    return Images(images.array)


def ring() -> Density:
    return Ring().load()


def build_autoencoder(
    family: type[AutoencoderTrainer] = VAE,
    *,
    architecture: AutoencoderArchitecture = TINY,
    likelihood: Likelihood | None = None,
    source: Images | Density | None = None,
    batch_size: int = 16,
    seed: int = 0,
    half_life: float = 5.0,
    lr: float = 1e-2,
    group: ProcessGroup | None = None,
    nonfinite_policy: Callable[[torch.device, Sequence[str]], Any] = TrackNonFinite,
    **settings: Any,
) -> AutoencoderTrainer:
    """A coder of digits, or of another source, in float32 on the CPU."""
    source = digits() if source is None else source
    images = isinstance(source, Images)
    group = group or SingleProcess()
    parts = split_data(source, 0.05)
    shape = source.array.shape[1:] if isinstance(source, Images) else (2,)
    context = Context(
        shape=shape,
        condition=0,
        device=Device(CPU, None, channels_last=False, compile=False, graph=False, sync_batch_norm=True),
        seed=seed,
        batch_size=batch_size // group.size,
        pac=1,
        log_every=5,
        sample_count=4,
        half_life=half_life,
        group=group,
        nonfinite_policy=nonfinite_policy,
    )
    sampler = choose_sampler(parts.train, batch_size, CPU, DataPlacement.resident)
    if family is VAE:
        settings.setdefault("beta", Constant(1.0))
    return family(
        context=context,
        architecture=architecture,
        optimizer=Adam(lr=lr, betas=(0.9, 0.999)),
        sampler=sampler(parts.train, batch_size // group.size, seed, CPU, 2, group),
        probe_batches=parts.probe_batches(seed, CPU),
        likelihood=likelihood or (Bernoulli() if images else Gaussian(0.1, True)),
        **settings,
    )


def poisoned(algorithm: AutoencoderTrainer) -> None:
    """Let its next samples be no numbers."""
    samples = torch.full((16, 1, 8, 8), torch.nan)
    algorithm.sampler.take = lambda batches: Batch(samples)  # type: ignore[method-assign]
    algorithm.model.likelihood.target = lambda samples, random: samples  # type: ignore[method-assign]


# What several processes have to make of a batch as one does.
TOGETHER: dict[str, Callable[[ProcessGroup], AutoencoderTrainer]] = {
    "vae, free bits": lambda group: build_autoencoder(free_bits=0.2, group=group),
    "vae, batch norm": lambda group: build_autoencoder(architecture=TINY_CONV, group=group),
    "autoencoder": lambda group: build_autoencoder(Autoencoder, architecture=TINY, group=group),
    "points": lambda group: build_autoencoder(source=ring(), group=group),
    "norms": lambda group: build_autoencoder(
        architecture=FullyConnected(3, (8, 8), (8, 8), norm_g=Norm.batch), group=group
    ),
}


def figures(name: str, group: ProcessGroup) -> dict[str, float]:
    algorithm = after(3, TOGETHER[name](group))
    found = dict(algorithm.report().scalars)
    state = algorithm.state_dict()
    found["decoder"] = float(sum(each.double().abs().sum() for each in state["average"].values()))
    return found


if __name__ == "__main__":
    with distributed.process_group() as together:
        everything = {name: figures(name, together) for name in TOGETHER}
        if together.rank == 0:
            Path(sys.argv[1]).write_text(json.dumps(everything))
