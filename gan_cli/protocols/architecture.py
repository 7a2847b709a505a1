"""Interfaces between networks and algorithms: the networks that an architecture builds for each family of models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from gan_cli.protocols.conditions import Condition


@runtime_checkable
class Architecture(Protocol):
    """Builds a generator and a discriminator of matching size.

    Both networks take labels as a second argument where they are built for such: classes ``(N,)`` int64 where
    ``classes`` is a number > 0, vectors ``(N, K)`` float32 in the units of the data where it is a condition of vectors.
    An architecture that is for classes alone annotates the parameter with ``int``.
    """

    @property
    def latent_dim(self) -> int:
        """Number of dimensions of z."""
        ...

    def generator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build G, ``(N, latent_dim) -> (N, *shape)``, images in [-1, 1]; raises ``ConfigError`` if it cannot fit."""
        ...

    def discriminator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build D, ``(N, *shape) -> (N,)`` logits; raises ``ConfigError`` if it cannot fit."""
        ...


class Prior(Protocol):
    """Distribution of codes: a Gaussian, N(0, I) unless it is moved; an ``nn.Module`` without parameters."""

    def __call__(self, z: Tensor) -> Tensor:
        """Map latents of N(0, I), ``(N, latent_dim)``, to codes ``(N, latent_dim)``."""
        ...

    def move(self, mean: Tensor, scale: Tensor) -> None:
        """Set it to N(mean, scale scale^T): ``(latent_dim,)`` and ``(latent_dim, latent_dim)``."""
        ...


class Decoder(Protocol):
    """Network from latents to samples; an ``nn.Module``."""

    @property
    def prior(self) -> Prior:
        """The distribution of its codes."""
        ...

    def __call__(self, z: Tensor) -> Tensor:
        """``(N, latent_dim) -> (N, *shape)`` from N(0, I): ``likelihoods.samples_from_logits(logits(prior(z)))``."""
        ...

    def logits(self, codes: Tensor) -> Tensor:
        """Map codes ``(N, latent_dim)`` to ``(N, *shape)``: log-odds of white for each pixel; coordinates of points."""
        ...


@runtime_checkable
class AutoencoderArchitecture(Protocol):
    """Builds an encoder and a decoder of matching size; the decoder is also a generator (``Architecture``)."""

    @property
    def latent_dim(self) -> int:
        """Number of dimensions of z."""
        ...

    def encoder(self, shape: tuple[int, ...], heads: int) -> nn.Module:
        """Build the encoder, ``(N, *shape) -> (N, heads, latent_dim)``; raises ``ConfigError`` if it cannot fit.

        Args:
            shape: of a sample.
            heads: numbers that it gives for each dimension of z: 1 for a code, 2 for mean and log-variance.
        """
        ...

    def decoder(self, shape: tuple[int, ...]) -> nn.Module:
        """Build a :class:`Decoder` with the parameter names and shapes of ``generator(shape, 0)``."""
        ...


class SequenceDiscriminator(nn.Module, ABC):
    """Network that classifies sequences of tokens as real or generated."""

    @abstractmethod
    def forward(self, sequences: Tensor) -> Tensor:
        """Map ``(N, T)`` int64, or ``(N, T, V)`` weights of tokens, to logits ``(N,)``."""

    @abstractmethod
    def penalty(self) -> Tensor:
        """Return the penalty on its weights, 0-dimensional, that is added to its loss."""


@runtime_checkable
class SequenceArchitecture(Protocol):
    """Builds a language model and a discriminator for sequences of tokens."""

    def language_model(self, vocabulary: int) -> nn.Module:
        """Build a language model over ``vocabulary`` tokens, whose sequences begin after token 0."""
        ...

    def discriminator(self, vocabulary: int, length: int) -> SequenceDiscriminator:
        """Build D: ``(N, length)`` int64, or ``(N, length, vocabulary)`` weights of tokens, ``-> (N,)`` logits."""
        ...
