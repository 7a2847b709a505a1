"""Panels of an autoencoder's preview beside its samples: reconstructions, interpolations and the manifold."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from gan_cli.algorithms.previews import to_numpy
from gan_cli.protocols.algorithm import Panel

# Columns of the grid of reconstructions, and samples of an interpolation, both ends included.
COLUMNS = 8
INTERPOLATED = 10
# Side of the grid over the plane of two latents, and the probability that lies beyond its edge on each side.
MANIFOLD = 20
TAIL_PROBABILITY = 0.02

# From samples (N, *shape) to codes (N, D); from codes, or latents of N(0, I), to samples.
Encode: TypeAlias = Callable[[Tensor], Tensor]
Decode: TypeAlias = Callable[[Tensor], Tensor]


def reconstructions(originals: Tensor, encode: Encode, decode: Decode) -> Panel:
    """Arrange rows of originals, ``(N, *shape)``, each above the row of their reconstructions."""
    count = len(originals) // COLUMNS * COLUMNS or len(originals)
    originals = originals[:count]
    columns = min(COLUMNS, count)
    decoded = decode(encode(originals))
    rows = torch.stack([_rows(originals, columns), _rows(decoded, columns)], dim=1)
    names = ["original", "decoded"] * (count // columns)
    return Panel(to_numpy(rows.flatten(0, 2)), columns, "held-out images, encoded and decoded", names)


def interpolations(samples: Tensor, encode: Encode, decode: Decode) -> Panel:
    """Interpolate linearly between the codes of neighbouring pairs of samples ``(N, *shape)``, N even: a row a pair.

    Linearly, not spherically, because codes of samples do not lie on a sphere.
    """
    codes = encode(samples)
    start, end = codes[0::2, None], codes[1::2, None]
    weight = torch.linspace(0, 1, INTERPOLATED, device=samples.device)[:, None]
    between = decode(torch.lerp(start, end, weight).flatten(0, 1))
    return Panel(to_numpy(between), INTERPOLATED, "codes between those of two images, decoded; a pair in each row")


def manifold(generate: Decode, device: torch.device) -> Panel:
    """Decode a grid of two latents with equal shares of N(0, I) between neighbours (Kingma & Welling, appendix A).

    The first latent grows to the right, the second upwards.
    """
    quantiles = torch.special.ndtri(torch.linspace(TAIL_PROBABILITY, 1 - TAIL_PROBABILITY, MANIFOLD, device=device))
    up, right = torch.meshgrid(quantiles.flip(0), quantiles, indexing="ij")
    decoded = generate(torch.stack([right.flatten(), up.flatten()], dim=1))
    return Panel(to_numpy(decoded), MANIFOLD, "decoded plane of z: first latent to the right, second upwards")


def _rows(samples: Tensor, columns: int) -> Tensor:
    return samples.reshape(-1, columns, *samples.shape[1:])
