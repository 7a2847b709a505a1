"""The autoencoder, without a prior: samples are decoded from a Gaussian that is fitted to its codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gan_cli.algorithms.autoencoders.base import AutoencoderTrainer, Coding, ForwardOutput
from gan_cli.algorithms.autoencoders.spec import PlainAutoencoderSpec
from gan_cli.algorithms.context import Context
from gan_cli.components.likelihoods import cholesky_factor
from gan_cli.protocols.rng import Stream
from gan_cli.runtime.distributed import ProcessGroup


class CodeMoments:
    """Moving averages of mean and covariance of the codes, with the half-life of the weights' moving average.

    Attributes:
        mean: ``(D,)``.
        covariance: ``(D, D)``. Both are those of N(0, I) before the first update.
    """

    def __init__(self, dimensions: int, half_life: float, device: torch.device) -> None:
        # The step's weight, on the device: a captured step would freeze a number of the host.
        self._weight = torch.ones((), device=device)
        self.mean = torch.zeros(dimensions, device=device)
        self.covariance = torch.eye(dimensions, device=device)
        self._half_life = half_life

    def set_step(self, step: int) -> None:
        """Set the weight of the batch of update number ``step``."""
        half_life = min(self._half_life, (step + 1) / 2)
        # The first batch replaces N(0, I), which holds no information about the codes.
        self._weight.fill_(1.0 - 0.5 ** (1.0 / half_life) if half_life > 0 and step > 0 else 1.0)

    @torch.no_grad()
    def update(self, codes: Tensor, group: ProcessGroup) -> None:
        """Fold this process's shard of a batch, ``(N, D)``, into the moving averages.

        Differences of means, not of second moments: no precision is lost where codes lie far from the origin.
        """
        count = len(codes) * group.size
        mean = group.all_reduce_sum(codes.sum(0)) / count
        centred = codes - mean
        covariance = group.all_reduce_sum(centred.T @ centred) / count
        difference = mean - self.mean
        self.mean.addcmul_(difference, self._weight)
        self.covariance.addcmul_(torch.outer(difference, difference), self._weight).lerp_(covariance, self._weight)


class Autoencoder(PlainAutoencoderSpec, AutoencoderTrainer):
    """Trains encoder and decoder to maximize the likelihood of reconstructions, log p(x | z) with z the code of x."""

    def _init_extra_state(self, context: Context) -> list[Tensor]:
        self.moments = CodeMoments(self.latent_dim, context.half_life, context.device.torch_device)
        return [self.moments.mean, self.moments.covariance]

    def _set_step(self, step: int) -> None:
        super()._set_step(step)
        self.moments.set_step(step)

    def _forward(self, target: Tensor, epsilon: Stream) -> ForwardOutput:
        codes = self.networks.encode(target)[:, 0]
        nll = -self.model.likelihood(target, self.networks.logits(codes))
        return ForwardOutput(nll.mean(), {"reconstruction": nll}, Coding(codes.detach()))

    def _batch_rows(self, coding: Coding) -> dict[str, Tensor]:
        self.moments.update(coding.codes, self.context.group)
        return super()._batch_rows(coding)

    def _update_prior(self) -> None:
        """Set the priors of both decoders to the present Gaussian; it is not trained by the optimizer."""
        scale = cholesky_factor(self.moments.covariance.cpu().double())
        for model in (self.model, self.ema_model):
            model.typed_decoder.prior.move(self.moments.mean, scale)

    def _training_metrics(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            "autoencoder/reconstruction": values["reconstruction"].mean(),
            "autoencoder/code_variance": self._variances(values["moments"]).mean(),
        }

    def _heldout_metrics(self, target: Tensor, epsilon: Stream) -> dict[str, Tensor]:
        logits = self.ema_networks.logits(self.ema_networks.encode(target)[:, 0])
        return {"autoencoder/reconstruction_held_out": -self.ema_model.likelihood(target, logits).mean()}

    def _histograms(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"autoencoder/code_variance_per_dimension": self._variances(values["moments"])}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of every autoencoder, and the moments of the codes."""
        return {**super().state_dict(), "codes": {"mean": self.moments.mean, "covariance": self.moments.covariance}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.moments.mean.copy_(state["codes"]["mean"])
        self.moments.covariance.copy_(state["codes"]["covariance"])
