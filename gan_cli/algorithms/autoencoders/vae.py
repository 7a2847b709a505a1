"""The variational autoencoder (Kingma & Welling 2014)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gan_cli.algorithms.autoencoders.alarm_rules import ACTIVE_VARIANCE
from gan_cli.algorithms.autoencoders.base import (
    AutoencoderTrainer,
    Coding,
    ForwardOutput,
    mean_over_processes,
)
from gan_cli.algorithms.autoencoders.networks import Networks
from gan_cli.algorithms.autoencoders.spec import VAESpec
from gan_cli.algorithms.context import Context
from gan_cli.components.likelihoods import Likelihood, kl_to_standard_normal, reparameterize
from gan_cli.components.optimizers import OptimizerConfig
from gan_cli.components.ranges import NonNegative, check_arguments
from gan_cli.protocols.algorithm import Schedule
from gan_cli.protocols.architecture import AutoencoderArchitecture
from gan_cli.protocols.data import ProbeBatches, Sampler
from gan_cli.protocols.rng import Stream


class VAE(VAESpec, AutoencoderTrainer):
    """Trains encoder and decoder to maximize the evidence lower bound, E log p(x | z) - KL(q(z | x), N(0, I)).

    Args:
        context: settings of the run.
        architecture: builds encoder and decoder.
        optimizer: of both.
        sampler: yields training batches.
        probe_batches: training and held-out samples to measure the bound on.
        likelihood: log p(x | z).
        beta: from step to the weight of the KL divergence.
        free_bits: nats that each dimension of z may hold at no cost (Kingma et al. 2016); 0: every nat is penalized.
    """

    def __init__(
        self,
        *,
        context: Context,
        architecture: AutoencoderArchitecture,
        optimizer: OptimizerConfig,
        sampler: Sampler,
        probe_batches: ProbeBatches,
        likelihood: Likelihood,
        beta: Schedule,
        free_bits: NonNegative = 0.0,
    ) -> None:
        """Build the networks and their optimizer.

        Args:
            context: settings of the run.
            architecture: builds both networks.
            optimizer: of both.
            sampler: supplies the training samples.
            probe_batches: held-out samples for reports and previews.
            likelihood: p(x | z).
            beta: weight of the KL over the steps: 1 makes the loss a bound; more or less than 1, Higgins et al. 2017.
            free_bits: nats of each dimension of z without a cost (lambda of Kingma et al. 2016, appendix C).
        """
        check_arguments(VAE, free_bits=free_bits)
        super().__init__(
            context=context,
            architecture=architecture,
            optimizer=optimizer,
            sampler=sampler,
            probe_batches=probe_batches,
            likelihood=likelihood,
        )
        self._schedule = beta
        self._free_bits = free_bits
        self._beta = torch.ones((), device=self._device.torch_device)

    def _set_step(self, step: int) -> None:
        super()._set_step(step)
        self._beta.fill_(self._schedule(step))

    def _widths(self, batch_size: int) -> dict[str, int]:
        return super()._widths(batch_size) | {"kl": batch_size, "kl_each": self.latent_dim}

    def _forward(self, target: Tensor, epsilon: Stream) -> ForwardOutput:
        mean, nll, kl = self._bound(self.networks, self.model.likelihood, target, epsilon)
        kl_mean = kl.mean(0)
        rows, coding = {"reconstruction": nll, "kl": kl.sum(1)}, Coding(mean.detach(), kl.detach())
        group = self.context.group
        if self._free_bits and group.size > 1:  # the floor applies to the mean over the whole batch
            kl_mean = group.all_reduce_sum(kl_mean) / group.size
        return ForwardOutput(nll.mean() + self._beta * kl_with_free_bits(kl_mean, self._free_bits), rows, coding)

    def _batch_rows(self, coding: Coding) -> dict[str, Tensor]:
        assert coding.kl is not None
        return super()._batch_rows(coding) | {"kl_each": coding.kl.mean(0)}

    def _bound(
        self, networks: Networks, likelihood: Likelihood, target: Tensor, epsilon: Stream
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute posterior means ``(N, D)``, -log p(x | z) ``(N,)`` with one z a sample, and KL ``(N, D)``."""
        mean, log_variance = networks.encode(target).unbind(1)
        codes = reparameterize(mean, log_variance, epsilon.normal(len(target), self.latent_dim))
        return mean, -likelihood(target, networks.logits(codes)), kl_to_standard_normal(mean, log_variance)

    def _update_prior(self) -> None:
        """Do nothing: the prior stays N(0, I)."""

    def _training_metrics(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        reconstruction, kl = values["reconstruction"].mean(), values["kl"].mean()
        active = (self._variances(values["moments"]) > ACTIVE_VARIANCE).float()
        return {
            "vae/reconstruction": reconstruction,
            "vae/kl": kl,
            "vae/elbo": -(reconstruction + kl),
            "vae/active_units": active.sum(),
            "vae/active_share": active.mean(),
            "vae/beta": self._beta,
        }

    def _heldout_metrics(self, target: Tensor, epsilon: Stream) -> dict[str, Tensor]:
        _, nll, kl = self._bound(self.ema_networks, self.ema_model.likelihood, target, epsilon)
        return {"vae/elbo_held_out": -(nll + kl.sum(1)).mean()}

    def _histograms(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"vae/kl_per_dimension": mean_over_processes(values["kl_each"], self.latent_dim)}


def kl_with_free_bits(kl: Tensor, free_bits: float) -> Tensor:
    """Sum the KL over dimensions, ``sum_j max(free_bits, KL_j)`` (Kingma et al. 2016, eq. 15).

    Args:
        kl: mean KL of each dimension over a batch, ``(D,)``.
        free_bits: in nats, for each dimension.

    Returns:
        The sum, 0-dimensional.
    """
    return kl.clamp_min(free_bits).sum() if free_bits else kl.sum()
