"""Multi-layer perceptrons for images and for points in the plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, TypeVar

import torch
from torch import Tensor, nn

from gan_cli.architectures.blocks import Block, layers_as_blocks
from gan_cli.architectures.layers import (
    Activation,
    ConditionalGenerator,
    Norm,
    ProjectionDiscriminator,
    WeightInit,
    embedding,
    norm_1d,
    require_norms,
)
from gan_cli.architectures.spectral_norm import apply_spectral_norm
from gan_cli.components.ranges import Positive, Range, Width, Widths, check_ranges
from gan_cli.errors import require
from gan_cli.protocols.conditions import Condition

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class MLP:
    """Fully connected generator and discriminator.

    Attributes:
        latent_dim: dimensions of z.
        generator_hidden: widths of G's hidden layers.
        discriminator_hidden: widths of D's hidden layers.
        activation: of the hidden layers: leaky_relu (slope 0.2), relu or tanh.
        norm_g: normalisation of G's hidden layers, all but the first.
        norm_d: the same for D's.
        norm_eps: added to the variance by both networks' normalisations. Torch's default is 1e-5; the most copied
            scripts write ``BatchNorm1d(features, 0.8)``, and thereby have 0.8.
        octaves_d: number of Fourier features of D's inputs (Tancik et al. 2020): sine and cosine of ``pi / 2 * 2^k``
            times each input, for k below this, so that D resolves fine structure from the start. For points; 0: none.
        codes: number of discrete codes of G: the index of the largest of the first ``codes`` dimensions of z selects a
            learned vector, which is added in G's first layer; the rest of z is continuous. A continuous G puts mass
            between separated modes; with equally likely codes it need not. 0: none.
        weights: initialisation of both networks. uniform: torch's own, of standard deviation ``(3 fan_in)^-1/2``.
            orthogonal: orthonormal rows or columns (Saxe et al. 2014), and biases of 0.
        gain_g: factor on G's initial weights. At 2.4 (He et al. 2015) the variance of activations is preserved through
            layers with uniform initialisation, and G has large gradients from the start.
        gain_d: the same for D.
        spectral_norm: divide D's weights by their largest singular value (Miyato et al. 2018).
        class_embedding: dimensions of the embedding of labels that is concatenated with z, where there are labels.
    """

    latent_dim: Width = 100
    generator_hidden: Widths = (256, 512, 1024)
    discriminator_hidden: Widths = (512, 256)
    activation: Activation = Activation.leaky_relu
    norm_g: Norm = Norm.batch
    norm_d: Norm = Norm.none
    norm_eps: Positive = 1e-5
    octaves_d: Annotated[int, Range(0, 16)] = 0
    codes: Annotated[int, Range(0, 65_536)] = 0
    weights: WeightInit = WeightInit.uniform
    gain_g: Positive = 1.0
    gain_d: Positive = 1.0
    spectral_norm: bool = False
    class_embedding: Width = 16

    def __post_init__(self) -> None:
        check_ranges(self)
        require(not self.codes or bool(self.generator_hidden), "codes", self.codes, "0 without hidden layers in G")
        require_norms({"norm_g": self.norm_g, "norm_d": self.norm_d})
        allowed = f"an integer from 0 to latent_dim - 1, {self.latent_dim - 1}"
        require(self.codes < self.latent_dim, "codes", self.codes, allowed)

    def generator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, latent_dim) -> (N, *shape)``: images with tanh, points in the plane unbounded."""
        widths = [self.latent_dim + (self.class_embedding if classes else 0) - self.codes, *self.generator_hidden]
        layers = self._hidden_layers(widths, self.norm_g)
        layers += [nn.Linear(widths[-1], math.prod(shape)), nn.Unflatten(1, shape)]
        if len(shape) == 3:
            layers.append(nn.Tanh())
        chain = self._initialize(nn.Sequential(*layers), self.gain_g)
        body = _BranchedGenerator(self.codes, chain, self.generator_hidden[0]) if self.codes else chain
        return ConditionalGenerator(body, embedding(classes, self.class_embedding))

    def discriminator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build a network ``(N, *shape) -> (N,)`` of logits."""
        fourier_features = [_FourierFeatures(self.octaves_d)] if self.octaves_d else []
        widths = [math.prod(shape) * (1 + 2 * self.octaves_d), *self.discriminator_hidden]
        features = nn.Sequential(nn.Flatten(), *fourier_features, *self._hidden_layers(widths, self.norm_d))
        head, labels = nn.Linear(widths[-1], 1), embedding(classes, widths[-1])
        network = ProjectionDiscriminator(features, head, labels)
        self._initialize(nn.ModuleList([features, head]), self.gain_d)
        return apply_spectral_norm(network) if self.spectral_norm else network

    def _hidden_layers(self, widths: Sequence[int], norm: Norm) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(widths)):
            layers.append(nn.Linear(before, after))
            if index > 0:
                layers += norm_1d(norm, after, self.norm_eps)
            layers.append(self.activation.layer())
        return layers

    @torch.no_grad()
    def _initialize(self, network: Network, gain: float) -> Network:
        """Initialize the linear layers of the network in place, with weights multiplied by ``gain``, and return it."""
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                if self.weights is WeightInit.orthogonal:
                    nn.init.orthogonal_(layer.weight)
                    nn.init.zeros_(layer.bias)
                layer.weight.mul_(gain)
        return network


class _FourierFeatures(nn.Module):
    """The inputs, with their sine and cosine at ``octaves`` frequencies: ``(N, F) -> (N, F (1 + 2 octaves))``."""

    frequencies: Tensor

    def __init__(self, octaves: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi / 2 * 2.0 ** torch.arange(octaves), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        angles = (inputs[:, :, None] * self.frequencies).flatten(1)
        return torch.cat([inputs, angles.sin(), angles.cos()], dim=1)


class _BranchedGenerator(nn.Module):
    """A body whose first layer has one bias per code; the index of the largest of the first coordinates selects it."""

    def __init__(self, codes: int, body: nn.Sequential, width: int) -> None:
        super().__init__()
        self.codes = codes
        self.table = nn.Embedding(codes, width)
        self.first, self.rest = body[0], body[1:]

    def blocks_from_input(self) -> Sequence[Block]:
        """Return the first layer with the table of codes, then the others."""
        first, *others = layers_as_blocks([self.first, *self.rest.children()])
        return [[self.table, *first], *others]

    def forward(self, z: Tensor) -> Tensor:
        code = z[:, : self.codes].argmax(1)
        samples: Tensor = self.rest(self.first(z[:, self.codes :]) + self.table(code))
        return samples
