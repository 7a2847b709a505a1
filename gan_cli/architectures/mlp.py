"""Multi-layer perceptrons for images and for points in the plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from gan_cli.architectures.layers import LatentAndClass, Norm, Projection, embedding, norm_1d, spectrally_normalised
from gan_cli.errors import require


@dataclass(frozen=True)
class MLP:
    """Fully connected generator and discriminator, with LeakyReLU(0.2) between their layers.

    Attributes:
        latent_dim: dimensions of z.
        generator_hidden: widths of G's hidden layers.
        discriminator_hidden: widths of D's hidden layers.
        norm_g: normalisation of G's hidden layers, all but the first.
        norm_d: the same for D's.
        gain_g: factor on G's initial weights, which are torch's own: uniform of deviation ``(3 fan_in)^-1/2``. At 2.4
            (He et al. 2015) a signal keeps its size through the layers, and G is steep from the start.
        gain_d: the same for D.
        spectral_norm: divide D's weights by their largest singular value (Miyato et al. 2018).
        class_embedding: dimensions of the class beside z, where there are classes.
    """

    latent_dim: int = 100
    generator_hidden: tuple[int, ...] = (256, 512, 1024)
    discriminator_hidden: tuple[int, ...] = (512, 256)
    norm_g: Norm = Norm.batch
    norm_d: Norm = Norm.none
    gain_g: float = 1.0
    gain_d: float = 1.0
    spectral_norm: bool = False
    class_embedding: int = 16

    def __post_init__(self) -> None:
        for key in ("latent_dim", "class_embedding"):
            require(getattr(self, key) >= 1, key, getattr(self, key), "an integer >= 1")
        for key in ("generator_hidden", "discriminator_hidden"):
            widths = getattr(self, key)
            require(all(width >= 1 for width in widths), key, list(widths), "a list of integers >= 1")
        for key in ("gain_g", "gain_d"):
            require(getattr(self, key) > 0, key, getattr(self, key), "a number > 0")
        for key in ("norm_g", "norm_d"):
            allowed = "batch, layer or none: fully connected layers have no instances"
            require(getattr(self, key) is not Norm.instance, key, getattr(self, key).name, allowed)

    def generator(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """``(N, latent_dim) -> (N, *shape)``: images through tanh, points in the plane without a bound."""
        widths = [self.latent_dim + (self.class_embedding if classes else 0), *self.generator_hidden]
        layers = _hidden_layers(widths, self.norm_g)
        layers += [nn.Linear(widths[-1], math.prod(shape)), nn.Unflatten(1, shape)]
        if len(shape) == 3:
            layers.append(nn.Tanh())
        body = _amplified(nn.Sequential(*layers), self.gain_g)
        return LatentAndClass(body, embedding(classes, self.class_embedding))

    def discriminator(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """``(N, *shape) -> (N,)`` logits."""
        widths = [math.prod(shape), *self.discriminator_hidden]
        features = nn.Sequential(nn.Flatten(), *_hidden_layers(widths, self.norm_d))
        network = Projection(features, nn.Linear(widths[-1], 1), embedding(classes, widths[-1]))
        _amplified(network, self.gain_d)
        return spectrally_normalised(network) if self.spectral_norm else network


def _hidden_layers(widths: Sequence[int], norm: Norm) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for index, (before, after) in enumerate(pairwise(widths)):
        layers.append(nn.Linear(before, after))
        if index > 0:
            layers += norm_1d(norm, after)
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return layers


@torch.no_grad()
def _amplified(network: nn.Module, gain: float) -> nn.Module:
    """The network with its linear layers' weights multiplied by ``gain``, in place; biases stay."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.mul_(gain)
    return network
