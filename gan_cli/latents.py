"""Latents that are a function of a seed: for previews, for drawing samples, for a walk between them."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.streams import seeded_generator

BLOCK = 256


def fixed_latents(seed: int, count: int, latent_dim: int) -> Tensor:
    """The first ``count`` rows of one endless sequence from N(0, I), ``(count, latent_dim)``, on the CPU.

    Drawn in blocks of one size, so that a row does not depend on how many are asked for.
    """
    stream = seeded_generator(seed, "preview", torch.device("cpu"))
    blocks = range(0, count, BLOCK)
    return torch.cat([torch.randn(BLOCK, latent_dim, generator=stream) for _ in blocks])[:count]


def walk(corners: Tensor, frames: int) -> Tensor:
    """A closed walk along the sphere from each corner to the next and back to the first.

    Args:
        corners: ``(K, N, latent_dim)``: K corners for each of N walkers.
        frames: frames from one corner to the next.

    Returns:
        ``(K * frames, N, latent_dim)``. Spherical interpolation: a straight line would pass closer to the
        origin than samples of N(0, I) ever come (White 2016).
    """
    here, there = corners, corners.roll(-1, dims=0)
    cosine = torch.nn.functional.cosine_similarity(here, there, dim=-1).clamp(-0.9995, 0.9995)
    angle = cosine.acos()[:, None, :, None]
    share = torch.linspace(0, 1, frames + 1)[:-1].reshape(1, -1, 1, 1)
    path = (torch.sin((1 - share) * angle) * here[:, None] + torch.sin(share * angle) * there[:, None]) / angle.sin()
    return path.flatten(0, 1)
