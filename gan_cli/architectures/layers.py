"""Layers that several architectures are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gan_cli.errors import ConfigError, require


class Norm(Enum):
    """How a layer's output is normalised."""

    batch = "batch"
    layer = "layer"
    instance = "instance"
    none = "none"


class Activation(Enum):
    """What follows the layers of a fully connected network."""

    leaky_relu = "leaky_relu"
    relu = "relu"
    tanh = "tanh"

    def layer(self) -> nn.Module:
        """A new layer; the slope of leaky_relu below zero is 0.2."""
        return _ACTIVATIONS[self]()


_ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    Activation.leaky_relu: partial(nn.LeakyReLU, 0.2, inplace=True),
    Activation.relu: partial(nn.ReLU, inplace=True),
    Activation.tanh: nn.Tanh,
}


class WeightInit(Enum):
    """How the weights of a fully connected network begin."""

    uniform = "uniform"
    orthogonal = "orthogonal"


def norm_1d(kind: Norm, features: int, eps: float = 1e-5) -> list[nn.Module]:
    """The normalisation of ``(N, features)``, or nothing; where a feature is one number, there is no instance.

    ``eps`` is added to the variance that it divides by.
    """
    if kind is Norm.batch:
        return [nn.BatchNorm1d(features, eps)]
    return [nn.LayerNorm(features, eps)] if kind is Norm.layer else []


def norm_2d(kind: Norm, channels: int, affine: bool = True) -> list[nn.Module]:
    """The normalisation of ``(N, channels, H, W)``, or nothing. A layer is a sample's all channels and places."""
    if kind is Norm.batch:
        return [nn.BatchNorm2d(channels, affine=affine)]
    if kind is Norm.layer:
        return [nn.GroupNorm(1, channels, affine=affine)]
    return [nn.InstanceNorm2d(channels, affine=affine)] if kind is Norm.instance else []


def apply_spectral_norm(network: nn.Module) -> nn.Module:
    """Every weight matrix of the network divided by its largest singular value (Miyato et al. 2018), in place.

    Raises:
        ConfigError: there is no weight matrix.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Linear, nn.Conv2d, nn.Embedding))]
    if not layers:
        raise ConfigError("architecture.spectral_norm: expected false for a discriminator without weight matrices")
    for layer in layers:
        spectral_norm(layer)
    return network


class ConditionalGenerator(nn.Module):
    """A generator that is told the class beside z: ``(N, latent_dim), (N,) -> (N, *shape)``."""

    def __init__(self, body: nn.Module, embedding: nn.Embedding | None) -> None:
        """``body`` takes z and, where there is one, the embedding of the class behind it."""
        super().__init__()
        self.body = body
        self.embedding = embedding

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples ``(N, *shape)``; ``labels`` are for a generator with an embedding."""
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(labels)], dim=1)
        samples: Tensor = self.body(z)
        return samples


class ProjectionDiscriminator(nn.Module):
    """A discriminator that is told the class: ``head(f(x)) + <embedding(y), f(x)>`` (Miyato & Koyama 2018, eq. 3)."""

    def __init__(self, features: nn.Module, head: nn.Module, embedding: nn.Embedding | None) -> None:
        """``features`` gives ``(N, F)`` or ``(N, F, H, W)``, ``head`` one number a sample from it."""
        super().__init__()
        self.features = features
        self.head = head
        self.embedding = embedding
        if embedding is not None:
            # As large as the head's own weights: a class that outshouts the image teaches G one image a class.
            nn.init.normal_(embedding.weight, 0.0, embedding.embedding_dim**-0.5)

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits ``(N,)``; ``labels`` are for a discriminator with an embedding."""
        features = self.features(samples)
        logits: Tensor = self.head(features).flatten()
        if self.embedding is not None:
            logits = logits + (self.embedding(labels) * features.reshape(*features.shape[:2], -1).sum(2)).sum(1)
        return logits


def require_layers(widths: Mapping[str, Sequence[int]], norms: Mapping[str, Norm]) -> None:
    """Check settings of fully connected networks by name; raises ``InvalidValueError``."""
    for key, each in widths.items():
        require(all(width >= 1 for width in each), key, list(each), "a list of integers >= 1")
    for key, norm in norms.items():
        allowed = "batch, layer or none: fully connected layers have no instances"
        require(norm is not Norm.instance, key, norm.name, allowed)


def embedding(classes: int, dimensions: int) -> nn.Embedding | None:
    """A vector for each class, or None where there are no classes."""
    return nn.Embedding(classes, dimensions) if classes else None


MAX_SIZE = 128
# The smallest feature map, in pixels; each size has exactly one that it halves down to.
BASES = (4, 5, 6, 7)
SIZES = sorted(base << levels for base in BASES for levels in range(1, 6) if base << levels <= MAX_SIZE)


@dataclass(frozen=True)
class Pyramid:
    """A square image and what it halves down to.

    Attributes:
        channels: of the image.
        base: side of the smallest feature map, 4 to 7 pixels.
        levels: halvings from the image to there.
    """

    channels: int
    base: int
    levels: int


def pyramid(name: str, shape: tuple[int, ...]) -> Pyramid:
    """The halvings of an image of this shape.

    Args:
        name: the architecture, for the message.
        shape: of one sample.

    Raises:
        ConfigError: the samples are no images, not square, or of a size that does not halve down to a base.
    """
    if len(shape) != 3:
        raise ConfigError(
            f"architecture: {name} builds images, but a sample of this dataset has shape {shape}."
            " Use architecture=mlp or mlp_small"
        )
    channels, height, width = shape
    if height != width or height not in SIZES:
        sizes = ", ".join(map(str, SIZES))
        raise ConfigError(f"architecture: {name} builds square images of size {sizes}; got {height}x{width}")
    levels = next(levels for levels in range(1, 6) if height >> levels in BASES)
    return Pyramid(channels, height >> levels, levels)
