"""The interfaces that networks meet algorithms at: what an architecture builds for each family of models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Architecture(Protocol):
    """A generator and a discriminator that fit each other.

    Both networks take labels as a second argument, ``(N,)`` int64, where they are built for ``classes`` > 0.
    """

    @property
    def latent_dim(self) -> int:
        """Dimensions of z."""
        ...

    def generator(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """``(N, latent_dim) -> (N, *shape)``, images in [-1, 1]; raises ``ConfigError`` if it cannot fit."""
        ...

    def discriminator(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """``(N, *shape) -> (N,)`` logits."""
        ...


class Prior(Protocol):
    """Where codes come from: a Gaussian, N(0, I) unless it is moved; an ``nn.Module`` with nothing to be learned."""

    def __call__(self, z: Tensor) -> Tensor:
        """Codes ``(N, latent_dim)`` from latents of N(0, I), ``(N, latent_dim)``."""
        ...

    def move(self, mean: Tensor, scale: Tensor) -> None:
        """Make it N(mean, scale scale^T): ``(latent_dim,)`` and ``(latent_dim, latent_dim)``."""
        ...


class Decoder(Protocol):
    """What draws a sample from a latent; an ``nn.Module``."""

    @property
    def prior(self) -> Prior:
        """Where its codes come from."""
        ...

    def __call__(self, z: Tensor) -> Tensor:
        """``(N, latent_dim) -> (N, *shape)`` from N(0, I): ``logits.bounded(logits(prior(z)))``."""
        ...

    def logits(self, codes: Tensor) -> Tensor:
        """``(N, latent_dim) -> (N, *shape)``: log-odds of each pixel being white; of points, their coordinates."""
        ...


@runtime_checkable
class Coding(Protocol):
    """An encoder and a decoder of matching size; the decoder is also a generator (``Architecture``)."""

    @property
    def latent_dim(self) -> int:
        """Dimensions of z."""
        ...

    def encoder(self, shape: tuple[int, ...], heads: int) -> nn.Module:
        """``(N, *shape) -> (N, heads, latent_dim)``; raises ``ConfigError`` if it cannot fit.

        Args:
            shape: of a sample.
            heads: numbers that it gives for each dimension of z: 1 for a code, 2 for mean and log-variance.
        """
        ...

    def decoder(self, shape: tuple[int, ...]) -> nn.Module:
        """A :class:`Decoder`; equal to what ``generator(shape, 0)`` builds, name by name."""
        ...


class Reader(nn.Module, ABC):
    """What judges sequences."""

    @abstractmethod
    def forward(self, sequences: Tensor) -> Tensor:
        """``(N, T)`` int64, or ``(N, T, V)`` weights of tokens, ``-> (N,)`` logits."""

    @abstractmethod
    def penalty(self) -> Tensor:
        """What it pays for its weights, 0-dimensional."""


@runtime_checkable
class Writing(Protocol):
    """A model that writes sequences of tokens and one that judges them."""

    def writer(self, vocabulary: int) -> nn.Module:
        """A language model over so many tokens, that begins after token 0."""
        ...

    def reader(self, vocabulary: int, length: int) -> Reader:
        """``(N, length)`` int64, or ``(N, length, vocabulary)`` weights of tokens, ``-> (N,)`` logits."""
        ...
