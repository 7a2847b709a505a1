"""Score images by a trained VAE and a trained discriminator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.claims.harness import Run
from benchmarks.versus.pairs import ChangedDigits
from gan_cli.algorithms.autoencoders.inference import TrainedAutoencoder, load_autoencoder
from gan_cli.components.likelihoods import kl_to_standard_normal, reparameterize
from gan_cli.protocols.arrays import FloatArray
from gan_cli.runtime.rng import seeded_generator
from gan_cli.storage import checkpoints
from gan_cli.storage.stored_model import RunCheckpoint

BLOCK = 500
# Codes that the bound of an image is the mean over; the same noise for all images.
DRAWS = 16
CODE, ELBO, LOGIT = "log p(x' \\| z)", "ELBO", "D"


@dataclass(frozen=True)
class TrainedModels:
    """Trained networks of one seed.

    Attributes:
        coder: the VAE, by its moving average.
        discriminator: the GAN's, as training left it.
        latent_dim: dimensions of z.
    """

    vae: TrainedAutoencoder
    discriminator: nn.Module
    latent_dim: int

    @classmethod
    def of(cls, gan: Run, vae: Run) -> TrainedModels:
        """Load the networks of two runs."""
        plan = gan.plan
        network = plan.architecture.discriminator(plan.dataset.shape, 0)
        network.load_state_dict(checkpoints.load_latest(gan.directory.checkpoints)["algorithm"]["judge"]["network"])
        return cls(
            load_autoencoder(RunCheckpoint(vae.directory)),
            network.eval().requires_grad_(False),
            plan.architecture.latent_dim,
        )

    @cached_property
    def sigma(self) -> float:
        """Standard deviation of a pixel in the VAE's likelihood, on the scale of [-1, 1]."""
        return float(cast(Tensor, self.vae.likelihood.log_width).exp())

    def code_log_likelihood(self, originals: FloatArray, images: FloatArray) -> FloatArray:
        """Return ``log p(image | z)`` in nats, ``(N,)``, with z the posterior mean of the original of each image."""

        def score(first: Tensor, second: Tensor) -> Tensor:
            return self.vae.log_likelihood(second, self.vae.posterior(first)[0])

        return _in_blocks(score, originals, images)

    def elbo(self, images: FloatArray, draws: int = DRAWS) -> FloatArray:
        """Return the ELBO in nats, ``(N,)``: the encoder gets the image itself."""

        noise = torch.randn(draws, self.latent_dim, generator=seeded_generator(0, "versus", torch.device("cpu")))

        def score(block: Tensor) -> Tensor:
            mean, log_variance = self.vae.posterior(block)
            nats = [self.vae.log_likelihood(block, reparameterize(mean, log_variance, each)) for each in noise]
            return torch.stack(nats).mean(0) - kl_to_standard_normal(mean, log_variance).sum(1)

        return _in_blocks(score, images)

    def logit(self, images: FloatArray) -> FloatArray:
        """Return D's logits, ``(N,)``: above 0 it takes an image for real."""
        return _in_blocks(self.discriminator, images)

    def all_scores(self, originals: FloatArray, images: FloatArray) -> dict[str, FloatArray]:
        """Return all scores ``(N,)``, by name, of images that are changed versions of ``originals``."""
        return {CODE: self.code_log_likelihood(originals, images), ELBO: self.elbo(images), LOGIT: self.logit(images)}


SCORES: Mapping[str, str] = MappingProxyType({CODE: "nats", ELBO: "nats", LOGIT: "logits"})


@torch.no_grad()
def _in_blocks(score: Callable[..., Tensor], *images: FloatArray) -> FloatArray:
    parts = [torch.split(torch.from_numpy(each.astype(np.float32)), BLOCK) for each in images]
    values: FloatArray = torch.cat([score(*block) for block in zip(*parts, strict=True)]).double().numpy()
    return values


def score_digits(models: TrainedModels, digits: ChangedDigits) -> dict[str, dict[str, FloatArray]]:
    """Return scores ``(N,)`` by the score and by ``x``, the original, or the change."""
    images = {"x": digits.originals, **digits.changed}
    found = {name: models.all_scores(digits.originals, each) for name, each in images.items()}
    return {score: {name: found[name][score] for name in images} for score in SCORES}


@dataclass(frozen=True)
class Preference:
    """Preference of a score among the pairs of one kind.

    Attributes:
        share: of the pairs whose plausible image has the higher score; a tie counts half.
        share_error: its standard error.
        difference: mean of plausible less implausible.
        difference_error: its standard error.
    """

    share: float
    share_error: float
    difference: float
    difference_error: float

    @classmethod
    def of(cls, plausible: FloatArray, implausible: FloatArray) -> Preference:
        """Compare scores ``(N,)`` of plausible and implausible images, N at least 2."""
        differences, root = plausible - implausible, np.sqrt(len(plausible))
        wins = (differences > 0) + 0.5 * (differences == 0)
        share = float(wins.mean())
        return cls(
            share,
            float(np.sqrt(share * (1 - share)) / root),
            float(differences.mean()),
            float(differences.std(ddof=1) / root),
        )


def preferences(
    scores: Mapping[str, Mapping[str, FloatArray]], kinds: Sequence[tuple[str, str]]
) -> dict[str, dict[str, Preference]]:
    """Return preferences by the score and by the kind of pair, ``plausible / implausible``."""
    return {
        score: {f"{good} / {bad}": Preference.of(of[good], of[bad]) for good, bad in kinds}
        for score, of in scores.items()
    }
