"""What a person is shown of a coder beside its samples: reconstructions, interpolations, a manifold."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from gan_cli.protocols.algorithm import Panel
from gan_cli.protocols.arrays import FloatArray

# Columns of the grid of reconstructions, and steps of an interpolation, its ends among them.
COLUMNS = 8
INTERPOLATED = 10
# Side of the grid over the plane of two latents, and the probability that lies beyond its edge on each side.
MANIFOLD = 20
TAIL_PROBABILITY = 0.02

# Samples (N, *shape) to codes (N, D); codes, or latents of N(0, I), to samples.
Encode: TypeAlias = Callable[[Tensor], Tensor]
Decode: TypeAlias = Callable[[Tensor], Tensor]


def reconstructions(originals: Tensor, encode: Encode, decode: Decode) -> Panel:
    """Rows of originals, ``(N, *shape)``, and below each the row of what comes back."""
    count = len(originals) // COLUMNS * COLUMNS or len(originals)
    originals = originals[:count]
    columns = min(COLUMNS, count)
    returned = decode(encode(originals))
    rows = torch.stack([_rows(originals, columns), _rows(returned, columns)], dim=1)
    return Panel(_shown(rows.flatten(0, 2)), columns)


def interpolations(samples: Tensor, encode: Encode, decode: Decode) -> Panel:
    """A row for each neighbouring pair of samples ``(N, *shape)``, N even: from the code of one to that of the other.

    On a straight line: codes of samples lie close to each other, not on a sphere.
    """
    codes = encode(samples)
    here, there = codes[0::2, None], codes[1::2, None]
    share = torch.linspace(0, 1, INTERPOLATED, device=samples.device)[:, None]
    return Panel(_shown(decode(torch.lerp(here, there, share).flatten(0, 1))), INTERPOLATED)


def manifold(generate: Decode, device: torch.device) -> Panel:
    """Samples over the plane of two latents: equal shares of N(0, I) between neighbours (Kingma & Welling, appendix A).

    The first latent grows to the right, the second upwards.
    """
    places = torch.special.ndtri(torch.linspace(TAIL_PROBABILITY, 1 - TAIL_PROBABILITY, MANIFOLD, device=device))
    up, right = torch.meshgrid(places.flip(0), places, indexing="ij")
    return Panel(_shown(generate(torch.stack([right.flatten(), up.flatten()], dim=1))), MANIFOLD)


def _rows(samples: Tensor, columns: int) -> Tensor:
    return samples.reshape(-1, columns, *samples.shape[1:])


def _shown(samples: Tensor) -> FloatArray:
    array: FloatArray = samples.float().cpu().numpy()
    return array
