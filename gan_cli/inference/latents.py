"""Latents of a generator: those of seeds, those in a file, truncated ones, and interpolations between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_cli.errors import ConfigError, require
from gan_cli.inference.array_files import map_floats
from gan_cli.inference.generator import TrainedGenerator
from gan_cli.protocols.inference import TrainedSampler
from gan_cli.runtime.rng import fixed_latents, slerp


class TruncationMode(Enum):
    """Ways to draw latents closer to the mean than N(0, I) does.

    ``bound`` is the truncated normal distribution of BigGAN (Brock et al. 2019, section 3.1), whose coordinates are
    drawn again while they lie beyond a bound; ``scale`` multiplies z, so that it is of N(0, t^2 I).
    """

    bound = "bound"
    scale = "scale"


@dataclass(frozen=True)
class Truncation:
    """Map from latents of N(0, I) to truncated ones.

    Attributes:
        amount: the bound, or the factor; > 0.
        mode: which of both.
    """

    amount: float
    mode: TruncationMode = TruncationMode.bound

    def __post_init__(self) -> None:
        require(math.isfinite(self.amount) and self.amount > 0, "truncation", self.amount, "a number > 0")

    def __call__(self, latents: Tensor) -> Tensor:
        return truncated(latents, self.amount, self.mode)

    def describe(self) -> str:
        """Return in words what is done to latents."""
        if self.mode is TruncationMode.scale:
            return f"truncation: z times {self.amount:g}"
        return f"truncation: coordinates of z within {self.amount:g} of 0, of the truncated normal distribution"


def truncated(latents: Tensor, amount: float, mode: TruncationMode = TruncationMode.bound) -> Tensor:
    """Truncate latents ``(..., latent_dim)`` of N(0, I).

    Within a bound, each coordinate x becomes the quantile of the truncated normal distribution at x's own quantile:
    exactly the distribution that drawing again leads to, but a function of z, so that a seed stays the same sample
    under any truncation, walks stay continuous, and the order of coordinates is kept.
    """
    if mode is TruncationMode.scale:
        return latents * amount
    # On the side below 0, where quantiles have all their digits.
    below, tail = torch.special.ndtr(-latents.double().abs()), torch.special.ndtr(torch.tensor(-amount).double())
    magnitude: Tensor = -torch.special.ndtri(tail + (1 - 2 * tail) * below)
    cut: Tensor = latents.sign() * magnitude.clamp(0, amount)
    return cut.to(latents.dtype)


def latents_of_seeds(seeds: Sequence[int], latent_dim: int) -> Tensor:
    """Return one latent for each seed, ``(N, latent_dim)``: the first one of a sampler's ``draw`` with that seed."""
    return torch.cat([fixed_latents(seed, 1, latent_dim) for seed in seeds])


def interpolate(start: Tensor, end: Tensor, count: int) -> Tensor:
    """Interpolate spherically, both ends included, ``(N, latent_dim)`` each -> ``(count, N, latent_dim)``."""
    return slerp(start, end, torch.linspace(0, 1, count)[:, None, None])


def require_generator(trained: TrainedSampler, what: str) -> TrainedGenerator:
    """Return a model as a generator that maps latents to samples; ``what`` needs one, and begins the message.

    Raises:
        ConfigError: it draws samples otherwise.
    """
    if not isinstance(trained, TrainedGenerator):
        raise ConfigError(
            f"{what}: this takes a generator that maps a latent to a sample in one pass, as of a GAN or an autoencoder;"
            " this run's model makes a sample in many steps"
        )
    return trained


def read_latents(file: Path, latent_dim: int) -> Tensor:
    """Read latents ``(N, latent_dim)`` from a ``.npy`` file of finite floats; nothing is unpickled.

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    values = map_floats("--latents", file)
    if values.ndim != 2 or values.shape[1] != latent_dim or not len(values):
        raise ConfigError(f"--latents: expected an array of shape (N, {latent_dim}), got {values.shape} in {file}")
    latents = torch.from_numpy(np.array(values, np.float32))
    if not bool(latents.isfinite().all()):
        raise ConfigError(f"--latents: expected finite numbers, got others in {file}")
    return latents
