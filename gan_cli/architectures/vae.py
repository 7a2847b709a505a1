"""Encoders and decoders of matching size, fully connected and convolutional; the decoder is a GAN's generator too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from gan_cli.architectures.conditioning import ConditionEmbedding
from gan_cli.architectures.dcgan import DCGAN, MAX_DOUBLINGS
from gan_cli.architectures.layers import Activation, Norm, embedding, norm_1d, norm_2d, require_norms
from gan_cli.architectures.mlp import MLP
from gan_cli.architectures.pyramid import pyramid, strided_conv, transposed_conv
from gan_cli.components.likelihoods import samples_from_logits
from gan_cli.components.ranges import Width, Widths, check_ranges
from gan_cli.protocols.conditions import Condition


@dataclass(frozen=True)
class FullyConnected:
    """Fully connected encoder and decoder, for images and for points in the plane, and a discriminator.

    A layer that is normalised has no bias of its own.

    Attributes:
        latent_dim: dimensions of z.
        encoder_hidden: widths of the encoder's hidden layers.
        generator_hidden: widths of the hidden layers of the decoder, which is a GAN's generator.
        discriminator_hidden: widths of the hidden layers of a GAN's discriminator.
        activation: of the hidden layers: leaky_relu (slope 0.2), relu or tanh.
        norm_e: normalisation of the encoder's hidden layers, all but the first.
        norm_g: the same for the decoder's.
        norm_d: the same for the discriminator's.
        class_embedding: dimensions of the embedding of labels that is concatenated with z, in a GAN with labels.
    """

    latent_dim: Width = 40
    encoder_hidden: Widths = (512, 512)
    generator_hidden: Widths = (512, 512)
    discriminator_hidden: Widths = (512, 256)
    activation: Activation = Activation.relu
    norm_e: Norm = Norm.none
    norm_g: Norm = Norm.none
    norm_d: Norm = Norm.none
    class_embedding: Width = 16

    def __post_init__(self) -> None:
        check_ranges(self)
        require_norms({name: getattr(self, name) for name in ("norm_e", "norm_g", "norm_d")})

    def encoder(self, shape: tuple[int, ...], heads: int) -> nn.Module:
        """Build a network ``(N, *shape) -> (N, heads, latent_dim)``."""
        widths = [math.prod(shape), *self.encoder_hidden]
        head = nn.Linear(widths[-1], heads * self.latent_dim)
        hidden = self._hidden_layers(widths, self.norm_e)
        return nn.Sequential(nn.Flatten(), *hidden, head, nn.Unflatten(1, (heads, self.latent_dim)))

    def decoder(self, shape: tuple[int, ...]) -> CodeDecoder:
        """The generator for data without classes."""
        return self.generator(shape, 0)

    def generator(self, shape: tuple[int, ...], classes: Condition) -> CodeDecoder:
        """Build a network ``(N, latent_dim) -> (N, *shape)``: images in [-1, 1], points in the plane unbounded."""
        widths = [self.latent_dim + (self.class_embedding if classes else 0), *self.generator_hidden]
        hidden = self._hidden_layers(widths, self.norm_g)
        body = nn.Sequential(*hidden, nn.Linear(widths[-1], math.prod(shape)), nn.Unflatten(1, shape))
        return CodeDecoder(self.latent_dim, body, embedding(classes, self.class_embedding))

    def discriminator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build the discriminator of ``mlp``, ``(N, *shape) -> (N,)`` logits."""
        mlp = MLP(discriminator_hidden=self.discriminator_hidden, activation=self.activation, norm_d=self.norm_d)
        return mlp.discriminator(shape, classes)

    def _hidden_layers(self, widths: Sequence[int], norm: Norm) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(widths)):
            normalised = norm_1d(norm, after) if index else []
            layers += [nn.Linear(before, after, bias=not normalised), *normalised, self.activation.layer()]
        return layers


@dataclass(frozen=True)
class Convolutional:
    """Strided convolutions in the encoder, transposed ones in the decoder, and the discriminator of ``dcgan``.

    For images of any height and width; channels double with every halving, as in ``dcgan``. A layer that is normalised
    has no bias of its own, whose gradient would be rounding errors only.

    Attributes:
        latent_dim: dimensions of z.
        width: channels of the largest feature map, where no other width is given.
        width_e: channels of the encoder's largest feature map; None: ``width``.
        width_g: the same for the decoder, which is a GAN's generator.
        width_d: the same for a GAN's discriminator.
        norm_e: normalisation of the encoder, after all convolutions but the first.
        norm_g: normalisation of the decoder, after all convolutions but the last.
        norm_d: normalisation of the discriminator, as in a DCGAN.
        class_embedding: dimensions of the embedding of labels that is concatenated with z, in a GAN with labels.
    """

    latent_dim: Width = 40
    width: Width = 32
    width_e: Width | None = None
    width_g: Width | None = None
    width_d: Width | None = None
    norm_e: Norm = Norm.batch
    norm_g: Norm = Norm.batch
    norm_d: Norm = Norm.batch
    class_embedding: Width = 32

    def __post_init__(self) -> None:
        check_ranges(self)

    def encoder(self, shape: tuple[int, ...], heads: int) -> nn.Module:
        """Build a network ``(N, C, H, W) -> (N, heads, latent_dim)``; raises ``ConfigError`` where it cannot."""
        fit = pyramid("vae_conv", shape)
        widths = fit.widths(self.width_e or self.width, MAX_DOUBLINGS)
        first = strided_conv(fit.channels, widths[0], *fit.halvings[0], bias=True)
        layers: list[nn.Module] = [first, nn.ReLU(inplace=True)]
        for channels, sizes in zip(pairwise(widths), fit.halvings[1:], strict=True):
            layers.append(strided_conv(*channels, *sizes, bias=self.norm_e is Norm.none))
            layers += [*norm_2d(self.norm_e, channels[1]), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(widths[-1], heads * self.latent_dim, fit.base, 1, 0), nn.Flatten()]
        return nn.Sequential(*layers, nn.Unflatten(1, (heads, self.latent_dim)))

    def decoder(self, shape: tuple[int, ...]) -> CodeDecoder:
        """The generator for data without classes."""
        return self.generator(shape, 0)

    def generator(self, shape: tuple[int, ...], classes: Condition) -> CodeDecoder:
        """Build a network ``(N, latent_dim) -> (N, C, H, W)`` in [-1, 1]; raises ``ConfigError`` where it cannot."""
        fit = pyramid("vae_conv", shape)
        widths = fit.widths(self.width_g or self.width, MAX_DOUBLINGS)[::-1]
        inputs = self.latent_dim + (self.class_embedding if classes else 0)
        bias = self.norm_g is Norm.none
        layers: list[nn.Module] = [
            nn.Unflatten(1, (inputs, 1, 1)),
            nn.ConvTranspose2d(inputs, widths[0], fit.base, bias=bias),
            *norm_2d(self.norm_g, widths[0]),
            nn.ReLU(inplace=True),
        ]
        for channels, sizes in zip(pairwise(widths), fit.doublings[:-1], strict=True):
            layers.append(transposed_conv(*channels, *sizes, bias=bias))
            layers += [*norm_2d(self.norm_g, channels[1]), nn.ReLU(inplace=True)]
        body = nn.Sequential(*layers, transposed_conv(widths[-1], fit.channels, *fit.doublings[-1], bias=True))
        return CodeDecoder(self.latent_dim, body, embedding(classes, self.class_embedding))

    def discriminator(self, shape: tuple[int, ...], classes: Condition) -> nn.Module:
        """Build the discriminator of ``dcgan``, ``(N, C, H, W) -> (N,)``; raises ``ConfigError`` where it cannot."""
        return DCGAN(width=self.width_d or self.width, norm_d=self.norm_d).discriminator(shape, classes)


class GaussianPrior(nn.Module):
    """A Gaussian prior of codes as a map from N(0, I): ``mean + scale z``, ``(N, D) -> (N, D)``; without parameters.

    It is the identity for a VAE and a GAN, whose prior is N(0, I). The codes of an autoencoder have no prescribed
    distribution; a Gaussian is fitted to them.

    Attributes:
        mean: ``(D,)``.
        scale: ``(D, D)``, a root of the covariance.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("scale", torch.eye(latent_dim))

    def forward(self, z: Tensor) -> Tensor:
        """Map latents of N(0, I) to codes, ``(N, D)`` each."""
        return z @ self.scale.T + self.mean

    @torch.no_grad()
    def move(self, mean: Tensor, scale: Tensor) -> None:
        """Set the distribution of codes to N(mean, scale scale^T)."""
        self.mean.copy_(mean)
        self.scale.copy_(scale)


class CodeDecoder(nn.Module):
    """A decoder that is also a generator: ``(N, latent_dim) -> (N, *shape)``, with labels if it is conditional.

    Args:
        latent_dim: dimensions of a code.
        body: maps a code, concatenated with the embedding where there is one, to logits.
        embedding: of the labels, classes or vectors; None: there are none.

    Attributes:
        prior: the distribution of codes.
    """

    def __init__(self, latent_dim: int, body: nn.Module, embedding: ConditionEmbedding | None) -> None:
        super().__init__()
        self.prior = GaussianPrior(latent_dim)
        self.body = body
        self.embedding = embedding

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Generate samples from latents of N(0, I): images in [-1, 1], points unbounded."""
        return samples_from_logits(self.logits(self.prior(z), labels))

    def logits(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Decode codes to logits, ``(N, latent_dim) -> (N, *shape)``; see ``likelihoods.samples_from_logits``."""
        if self.embedding is not None:
            codes = torch.cat([codes, self.embedding(labels)], dim=1)
        logits: Tensor = self.body(codes)
        return logits
