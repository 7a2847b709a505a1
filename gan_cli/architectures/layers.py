"""Layers, normalisation and initialisation that several architectures share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gan_cli.architectures.blocks import Block, blocks_of
from gan_cli.architectures.conditioning import ConditionEmbedding, embed_vectors, initialize_embedding
from gan_cli.errors import require
from gan_cli.protocols.conditions import Condition, VectorCondition


class Norm(Enum):
    """Kinds of normalisation of a layer's output."""

    batch = "batch"
    layer = "layer"
    instance = "instance"
    none = "none"


class Activation(Enum):
    """Activations of the hidden layers of a fully connected network."""

    leaky_relu = "leaky_relu"
    relu = "relu"
    tanh = "tanh"

    def layer(self) -> nn.Module:
        """Build the activation; the negative slope of leaky_relu is 0.2."""
        return _ACTIVATIONS[self]()


_ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    Activation.leaky_relu: partial(nn.LeakyReLU, 0.2, inplace=True),
    Activation.relu: partial(nn.ReLU, inplace=True),
    Activation.tanh: nn.Tanh,
}


class WeightInit(Enum):
    """Initialisations of the weights of a fully connected network."""

    uniform = "uniform"
    orthogonal = "orthogonal"


def norm_1d(kind: Norm, features: int, eps: float = 1e-5) -> list[nn.Module]:
    """Build the normalisation of ``(N, features)`` as a list of at most one layer.

    Args:
        kind: batch or layer; empty for others: instance norm is undefined where a feature is a single number.
        features: number of features.
        eps: added to the variance in the denominator.
    """
    if kind is Norm.batch:
        return [nn.BatchNorm1d(features, eps)]
    return [nn.LayerNorm(features, eps)] if kind is Norm.layer else []


def norm_2d(kind: Norm, channels: int, affine: bool = True) -> list[nn.Module]:
    """Build the normalisation of ``(N, channels, H, W)`` as a list of at most one layer.

    Layer norm is over all channels and pixels of a sample, with a scale and shift per channel.
    """
    if kind is Norm.batch:
        return [nn.BatchNorm2d(channels, affine=affine)]
    if kind is Norm.layer:
        return [nn.GroupNorm(1, channels, affine=affine)]
    return [nn.InstanceNorm2d(channels, affine=affine)] if kind is Norm.instance else []


def without_autocast(device_type: str) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which operations compute in the dtype of their inputs, on a device of this type."""
    if torch.amp.is_autocast_available(device_type):
        return torch.autocast(device_type, enabled=False)
    return contextlib.nullcontext()


def upsample(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Double height and width by repeating pixels, ``(N, C, H, W) -> (N, C, *size)``, in the dtype of the features.

    An odd side is cut by a pixel, one that is to stay is left. Autocast on CUDA would convert the features to float32
    first: repeating is exact in any format, and half as many bytes.
    """
    with without_autocast(features.device.type):
        return interpolate(features, size, mode="nearest")


class ConditionalGenerator(nn.Module):
    """A generator of z and, where there are labels, of the label: ``(N, latent_dim), (N,) -> (N, *shape)``.

    Args:
        body: maps z, concatenated with the embedding where there is one, to samples.
        embedding: of the labels, classes or vectors; None: there are none.
    """

    def __init__(self, body: nn.Module, embedding: ConditionEmbedding | None) -> None:
        super().__init__()
        self.body = body
        self.embedding = embedding

    def blocks_from_input(self) -> Sequence[Block]:
        """Return the blocks of the body: the embedding belongs to none, as its labels may be new."""
        return blocks_of(self.body)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Generate samples ``(N, *shape)``; labels, ``(N,)`` or ``(N, K)``, are required with an embedding."""
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(labels)], dim=1)
        samples: Tensor = self.body(z)
        return samples


class ProjectionDiscriminator(nn.Module):
    """A discriminator of samples and, where there are labels, of the label (Miyato & Koyama 2018, eq. 3).

    ``head(f(x)) + <embedding(y), f(x)>``, the latter summed over pixels.

    Args:
        features: maps samples to ``(N, F)`` or ``(N, F, H, W)``.
        head: maps features to one number per sample.
        embedding: of the labels, of dimension F; None: there are none.
    """

    def __init__(self, features: nn.Module, head: nn.Module, embedding: ConditionEmbedding | None) -> None:
        super().__init__()
        self.features = features
        self.head = head
        self.embedding = embedding
        if embedding is not None:
            # At the scale of the head's weights: where the class dominates the logit, G learns one image per class.
            initialize_embedding(embedding, embedding.embedding_dim**-0.5)

    def blocks_from_input(self) -> Sequence[Block]:
        """Return the blocks of the features, and the head as the last one."""
        return [*blocks_of(self.features), [self.head]]

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """Compute logits ``(N,)``; labels, ``(N,)`` or ``(N, K)``, are required with an embedding."""
        features = self.features(samples)
        logits: Tensor = self.head(features).flatten()
        if self.embedding is not None:
            logits = logits + (self.embedding(labels) * features.reshape(*features.shape[:2], -1).sum(2)).sum(1)
        return logits


def require_norms(norms: Mapping[str, Norm]) -> None:
    """Raise ``InvalidValueError`` unless the norms, by their keys, are those of fully connected networks."""
    for key, norm in norms.items():
        allowed = "batch, layer or none: fully connected layers have no instances"
        require(norm is not Norm.instance, key, norm.name, allowed)


def embedding(condition: Condition, dimensions: int) -> ConditionEmbedding | None:
    """Build an embedding of classes or of vectors, or return None where there is no condition."""
    if isinstance(condition, VectorCondition):
        return embed_vectors(condition, dimensions)
    return nn.Embedding(condition, dimensions) if condition else None
