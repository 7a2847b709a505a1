"""The networks of R3GAN (Huang et al. 2024, section 4): ResNeXt-like stages without any normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

from gan_cli.architectures.blocks import Block, blocks_of
from gan_cli.architectures.conditioning import initialize_embedding
from gan_cli.architectures.layers import ConditionalGenerator, embedding
from gan_cli.architectures.pyramid import Size, pyramid
from gan_cli.architectures.spectral_norm import apply_spectral_norm
from gan_cli.components.ranges import Range, Width, check_ranges
from gan_cli.errors import require
from gan_cli.protocols.conditions import Condition

NEGATIVE_SLOPE = 0.2
ACTIVATION_GAIN = math.sqrt(2 / (1 + NEGATIVE_SLOPE**2))
RESIDUAL_LAYERS = 3


@dataclass(frozen=True)
class R3GAN:
    """One stage per size: inverted bottlenecks with grouped 3x3 convolutions, and bilinear resampling between stages.

    Training is stabilized by initialisation alone (Fixup, Zhang et al. 2019): the last layer of each residual branch
    starts at zero, the others are scaled by ``L^(-1 / (2 m - 2))`` for L branches of m layers. G's output has no tanh,
    as in the authors' code; values outside [-1, 1] are clipped when images are written.

    Attributes:
        latent_dim: dimensions of z.
        width: channels of every stage; 768 for CIFAR-10 in the paper.
        blocks: residual blocks per stage.
        cardinality: groups of the 3x3 convolutions; 96 for CIFAR-10 in the paper.
        expansion: channels inside a block, as a multiple of ``width``.
        spectral_norm: divide D's weights by their largest singular value; not part of the paper. D's branches do
            not start at zero then: zero has no direction to be normalised.
        class_embedding: dimensions of the embedding of labels that is concatenated with z, where there are labels;
            None: ``latent_dim``.
    """

    latent_dim: Width = 64
    width: Width = 128
    blocks: Annotated[int, Range(1, 256)] = 2
    cardinality: Width = 16
    expansion: Annotated[int, Range(1, 1024)] = 2
    spectral_norm: bool = False
    class_embedding: Width | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        inside = self.width * self.expansion
        allowed = f"a divisor of width * expansion, {inside}"
        require(inside % self.cardinality == 0, "cardinality", self.cardinality, allowed)

    def generator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, latent_dim) -> (N, C, H, W)``, about in [-1, 1]; raises ``ConfigError`` if unfit."""
        fit = pyramid("r3gan", shape)
        dimensions = self.class_embedding or self.latent_dim
        inputs = self.latent_dim + (dimensions if classes else 0)
        layers: list[nn.Module] = [_GenerativeBasis(inputs, self.width, fit.base), *self._stage(fit.levels)]
        for sizes in fit.doublings:
            layers += [_Upsample(*sizes), *self._stage(fit.levels)]
        layers.append(_conv(self.width, fit.channels, 1))
        labels = embedding(classes, dimensions)
        if labels is not None:
            initialize_embedding(labels, 1 / math.sqrt(_num_classes(classes)))
        return ConditionalGenerator(nn.Sequential(*layers), labels)

    def discriminator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, C, H, W) -> (N,)`` of logits; raises ``ConfigError`` where it cannot."""
        fit = pyramid("r3gan", shape)
        layers: list[nn.Module] = [_conv(fit.channels, self.width, 1)]
        for sizes in fit.halvings:
            layers += [*self._stage(fit.levels, zero=not self.spectral_norm), _Downsample(*sizes)]
        layers += self._stage(fit.levels, zero=not self.spectral_norm)
        network = _Discriminator(nn.Sequential(*layers), self.width, fit.base, classes)
        return apply_spectral_norm(network) if self.spectral_norm else network

    def _stage(self, levels: int, zero: bool = True) -> list[nn.Module]:
        """Build the blocks of one size; with ``zero`` the last layers of their branches are initialized with zero."""
        gain = ACTIVATION_GAIN * (self.blocks * (levels + 1)) ** (-1 / (2 * RESIDUAL_LAYERS - 2))
        inside, last_gain = self.width * self.expansion, 0.0 if zero else gain
        return [_Block(self.width, inside, self.cardinality, gain, last_gain) for _ in range(self.blocks)]


def _num_classes(condition: Condition) -> int:
    """Return the number of classes of which a sample has one; 1 for vectors, whose embeddings count for themselves."""
    return condition if isinstance(condition, int) else 1


class _Block(nn.Module):
    """A residual block: 1x1 to a larger width, activation, grouped 3x3, activation, 1x1 back, plus the identity."""

    def __init__(self, width: int, inside: int, groups: int, gain: float, last_gain: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            _conv(width, inside, 1, gain=gain),
            _BiasedActivation(inside),
            _conv(inside, inside, 3, groups, gain),
            _BiasedActivation(inside),
            _conv(inside, width, 1, gain=last_gain),
        )

    def forward(self, features: Tensor) -> Tensor:
        outputs: Tensor = features + self.branch(features)
        return outputs


class _BiasedActivation(nn.Module):
    """A bias per channel followed by LeakyReLU; no other layers have biases."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        return leaky_relu(features + self.bias, NEGATIVE_SLOPE)


class _GenerativeBasis(nn.Module):
    """z as coefficients of a learned basis of small feature maps: ``(N, inputs) -> (N, width, *base)``."""

    def __init__(self, inputs: int, width: int, base: Size) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(width, *base))
        self.linear = _linear(inputs, width)

    def forward(self, z: Tensor) -> Tensor:
        maps: Tensor = self.basis * self.linear(z)[:, :, None, None]
        return maps


class _Discriminator(nn.Module):
    """A backbone, a depthwise convolution from the last feature map to a vector, and a linear map to the logit.

    With labels, the logit is the inner product of the vector with the embedding of the label.
    """

    def __init__(self, backbone: nn.Module, width: int, base: Size, classes: Condition) -> None:
        super().__init__()
        self.backbone = backbone
        self.basis = nn.Conv2d(width, width, base, groups=width, bias=False)
        nn.init.normal_(self.basis.weight, 0.0, 1 / math.sqrt(base.height * base.width))
        self.linear = _linear(width, width if classes else 1)
        self.embedding = embedding(classes, width)
        if self.embedding is not None:
            initialize_embedding(self.embedding, 1 / math.sqrt(width * _num_classes(classes)))

    def blocks_from_input(self) -> Sequence[Block]:
        """Return the blocks of the backbone, and what makes a logit of its last feature map."""
        return [*blocks_of(self.backbone), [self.basis, self.linear]]

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        vectors = self.linear(self.basis(self.backbone(samples)).flatten(1))
        if self.embedding is not None:
            vectors = (vectors * self.embedding(labels)).sum(1)
        logits: Tensor = vectors.flatten()
        return logits


class _Resampling(nn.Module):
    """A depthwise filter [1, 2, 1] along each axis whose length changes: bilinear interpolation.

    Args:
        before: size of the feature map.
        after: its size, halved and rounded up or the other way round, along one axis or both.
    """

    kernel: Tensor

    def __init__(self, before: Size, after: Size) -> None:
        super().__init__()
        triangle, point = torch.tensor([1.0, 2.0, 1.0]) / 4, torch.ones(1)
        changes = [length != other for length, other in zip(before, after, strict=True)]
        rows, columns = (triangle if each else point for each in changes)
        self.register_buffer("kernel", torch.outer(rows, columns)[None, None], persistent=False)
        self.stride = tuple(2 if each else 1 for each in changes)
        self.padding = tuple(1 if each else 0 for each in changes)


class _Upsample(_Resampling):
    """Bilinear upsampling by 2, from one size to the next larger."""

    def __init__(self, before: Size, after: Size) -> None:
        super().__init__(before, after)
        self.gain = math.prod(self.stride)
        self.missing = tuple(int(large == 2 * small) for small, large in zip(before, after, strict=True))

    def forward(self, features: Tensor) -> Tensor:
        channels = features.shape[1]
        kernel = (self.gain * self.kernel).expand(channels, -1, -1, -1).to(features.dtype)
        return conv_transpose2d(
            features, kernel, None, self.stride, self.padding, output_padding=self.missing, groups=channels
        )


class _Downsample(_Resampling):
    """Bilinear downsampling by 2, from one size to the next smaller."""

    def forward(self, features: Tensor) -> Tensor:
        channels = features.shape[1]
        kernel = self.kernel.expand(channels, -1, -1, -1).to(features.dtype)
        return conv2d(features, kernel, None, self.stride, self.padding, groups=channels)


def _conv(before: int, after: int, kernel: int, groups: int = 1, gain: float = 1.0) -> nn.Conv2d:
    """Build a convolution without bias, with weights from N(0, gain^2 / fan-in)."""
    layer = nn.Conv2d(before, after, kernel, padding=kernel // 2, groups=groups, bias=False)
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(before // groups * kernel * kernel))
    return layer


def _linear(before: int, after: int) -> nn.Linear:
    layer = nn.Linear(before, after, bias=False)
    nn.init.normal_(layer.weight, 0.0, 1 / math.sqrt(before))
    return layer
