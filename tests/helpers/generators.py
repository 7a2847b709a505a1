"""Small generators whose latent space is known in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_cli.inference.generator import TrainedGenerator
from gan_cli.protocols.arrays import FloatArray


@dataclass(frozen=True)
class Shape:
    """A dataset of which only the shape of samples is known."""

    shape: tuple[int, ...]
    licence: str = ""
    classes: int = 0

    def load(self) -> None:
        raise NotImplementedError

    def coordinates(self, samples: FloatArray) -> FloatArray:
        return samples


class Linear(nn.Module):
    """``G(z, y) = W z + b_y``: with labels, one offset for each class."""

    def __init__(self, weight: Tensor, offsets: Tensor, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.offsets = nn.Parameter(offsets)
        self.shape = shape

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        offsets = self.offsets[:1] if labels is None else self.offsets[labels]
        return (z @ self.weight.T + offsets).reshape(-1, *self.shape)


def linear_generator(shape: tuple[int, ...] = (1, 4, 5), latent_dim: int = 3, classes: int = 0) -> TrainedGenerator:
    """A linear generator with random weights, of singular values 3, 2, 1, ..."""
    random, size = torch.Generator().manual_seed(0), math.prod(shape)
    left = torch.linalg.qr(torch.randn(size, latent_dim, generator=random))[0]
    right = torch.linalg.qr(torch.randn(latent_dim, latent_dim, generator=random))[0]
    weight = left * torch.arange(latent_dim, 0, -1) @ right
    offsets = torch.randn(max(1, classes), size, generator=random)
    return TrainedGenerator(Linear(weight, offsets, shape), latent_dim, classes, Shape(shape), step=1)
