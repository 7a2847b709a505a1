"""What decoders of every kind are made of: the place of the codes, a body, and the bound of the samples."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_cli.components.likelihoods import bounded


class Prior(nn.Module):
    """From N(0, I) to where codes lie: ``mean + scale z``, ``(N, D) -> (N, D)``. Nothing is learned here.

    A VAE's codes lie where N(0, I) does, and so do a GAN's latents: this is the identity then. An autoencoder's codes
    lie wherever they like; it fits a Gaussian to them.

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
        """Codes."""
        return z @ self.scale.T + self.mean

    @torch.no_grad()
    def move(self, mean: Tensor, scale: Tensor) -> None:
        """Let codes come from N(mean, scale scale^T) from now on."""
        self.mean.copy_(mean)
        self.scale.copy_(scale)


class CodeDecoder(nn.Module):
    """A decoder that is a generator: ``(N, latent_dim) -> (N, *shape)``, with labels ``(N,)`` where it knows classes.

    Attributes:
        prior: where codes come from.
    """

    def __init__(self, latent_dim: int, body: nn.Module, embedding: nn.Embedding | None) -> None:
        """``body`` takes a code and, where there is one, the embedding of the class behind it, and gives logits."""
        super().__init__()
        self.prior = Prior(latent_dim)
        self.body = body
        self.embedding = embedding

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples from latents of N(0, I): images in [-1, 1], points without a bound."""
        return bounded(self.logits(self.prior(z), labels))

    def logits(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """``(N, latent_dim) -> (N, *shape)``: what ``logits.bounded`` makes samples of."""
        if self.embedding is not None:
            codes = torch.cat([codes, self.embedding(labels)], dim=1)
        logits: Tensor = self.body(codes)
        return logits
