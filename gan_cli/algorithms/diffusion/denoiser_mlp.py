"""A fully connected denoiser with residual blocks, for points and small images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from gan_cli.algorithms.diffusion.networks import Conditioning, in_float32, zero_initialized
from gan_cli.components.ranges import Range, Width, check_ranges
from gan_cli.protocols.conditions import Condition


@dataclass(frozen=True)
class DenoiserMLP:
    """Residual blocks of two layers, each shifted and scaled by the embedding of time and class.

    Attributes:
        width: features between the blocks and inside of them.
        blocks: number of residual blocks.
        embedding: dimensions of the embedding of time and class.
        octaves: number of frequencies, pi 2^k for k from 0, of Fourier features of the coordinates of points, for fine
            structure in the plane; images have none.
    """

    width: Width = 512
    blocks: Annotated[int, Range(1, 256)] = 2
    embedding: Width = 128
    octaves: Annotated[int, Range(0, 16)] = 4

    def __post_init__(self) -> None:
        check_ranges(self)

    def denoiser(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, *shape), (N,), (N,) labels -> (N, *shape)``, 0 before it is trained."""
        return _ResidualMLP(shape, classes, self)


class _ResidualMLP(nn.Module):
    frequencies: Tensor

    def __init__(self, shape: tuple[int, ...], classes: Condition, sizes: DenoiserMLP) -> None:
        super().__init__()
        count, octaves = math.prod(shape), sizes.octaves if len(shape) == 1 else 0
        self.register_buffer("frequencies", math.pi * 2.0 ** torch.arange(octaves), persistent=False)
        self.conditioning = Conditioning(sizes.embedding, classes)
        self.first = nn.Linear(count * (1 + 2 * octaves), sizes.width)
        self.blocks = nn.ModuleList(_Block(sizes.width, sizes.embedding) for _ in range(sizes.blocks))
        self.norm = nn.LayerNorm(sizes.width)
        self.last = zero_initialized(nn.Linear(sizes.width, count))

    def forward(self, samples: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        flat = samples.flatten(1)
        if len(self.frequencies):
            angles = (flat[:, :, None] * self.frequencies).flatten(1)
            flat = torch.cat([flat, angles.sin(), angles.cos()], dim=1)
        embedded, hidden = self.conditioning(time, labels), in_float32(self.first, flat)
        for block in self.blocks:
            hidden = block(hidden, embedded)
        predicted: Tensor = self.last(nn.functional.silu(self.norm(hidden)))
        return predicted.view(samples.shape)


class _Block(nn.Module):
    """Adds a function of the features and of the embedding to the features; nothing at first."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.modulation = nn.Linear(embedding, 2 * width)
        self.first = nn.Linear(width, width)
        self.second = zero_initialized(nn.Linear(width, width))

    def forward(self, hidden: Tensor, embedded: Tensor) -> Tensor:
        scale, shift = self.modulation(embedded).chunk(2, dim=1)
        modulated = self.norm(hidden) * (1 + scale) + shift
        added: Tensor = self.second(nn.functional.silu(self.first(modulated)))
        return hidden + added
