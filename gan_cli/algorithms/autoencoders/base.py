"""Training that autoencoder and VAE share: an encoder and a decoder learn jointly to reconstruct samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gan_cli.algorithms.autoencoders.networks import (
    EncoderDecoder,
    Networks,
    TrainingNetworks,
    as_autoencoder_architecture,
    require_fitting,
    require_plain,
)
from gan_cli.algorithms.autoencoders.panels import interpolations, manifold, reconstructions
from gan_cli.algorithms.autoencoders.spec import AutoencoderSpec
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.micro_batches import chunk_rows, join_rows
from gan_cli.algorithms.previews import plane_around, preview_latents
from gan_cli.algorithms.single_optimizer import SingleOptimizerTrainer
from gan_cli.components.likelihoods import Likelihood
from gan_cli.components.optimizers import OptimizerConfig
from gan_cli.protocols.algorithm import Panel, Preview, Report
from gan_cli.protocols.architecture import AutoencoderArchitecture
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import ProbeBatches, Sampler
from gan_cli.protocols.rng import Stream
from gan_cli.runtime.rng import BLOCK, SeededStream, fixed_latents

# Held-out samples of a preview: originals of reconstructions, and ends of interpolations.
RECONSTRUCTED, INTERPOLATED = 32, 16


@dataclass(frozen=True)
class Coding:
    """Codes of samples, detached, from which a batch's means over its samples are computed.

    Attributes:
        codes: ``(N, D)``.
        kl: KL divergence from the prior of each dimension of each code, ``(N, D)``; None without a prior.
    """

    codes: Tensor
    kl: Tensor | None = None


@dataclass(frozen=True)
class ForwardOutput:
    """Result of a forward pass over a batch, or over a micro-batch.

    Attributes:
        loss: 0-dimensional.
        rows: name of a ring buffer -> a row for it, with a column for each sample.
        coding: of each sample.
    """

    loss: Tensor
    rows: Mapping[str, Tensor]
    coding: Coding


class AutoencoderTrainer(SingleOptimizerTrainer, AutoencoderSpec):
    """Trains an encoder and a decoder; subclasses define the loss and its metrics."""

    network_name: ClassVar[str] = "the autoencoder"

    def __init__(
        self,
        *,
        context: Context,
        architecture: AutoencoderArchitecture,
        optimizer: OptimizerConfig,
        sampler: Sampler,
        probe_batches: ProbeBatches,
        likelihood: Likelihood,
    ) -> None:
        architecture = as_autoencoder_architecture(self.name, architecture)
        require_plain(self.name, context.condition, context.pac)
        require_fitting(likelihood, context.shape)
        self._device = context.device
        self._probe_batches = probe_batches
        self.latent_dim = architecture.latent_dim
        device = self._device.torch_device
        torch.manual_seed(context.seed)
        encoder, decoder = architecture.encoder(context.shape, self.heads), architecture.decoder(context.shape)
        self.model = EncoderDecoder(self._device.place(encoder), self._device.place(decoder), likelihood.to(device))
        super().__init__(
            context=context,
            network=self.model,
            optimizer=optimizer,
            sampler=sampler,
            streams=("binarise", "epsilon"),
            ring_buffers=self._widths(context.batch_size),
            mutable=self._init_extra_state(context),
        )
        ema_model = self.ema.network
        assert isinstance(ema_model, EncoderDecoder)
        self.ema_model = ema_model
        self.networks: Networks = TrainingNetworks(self.model, context)
        self.ema_networks = Networks(self.ema_model, self._device)
        self._latents = preview_latents(context, None, self.latent_dim).to(device)

    def _init_extra_state(self, context: Context) -> list[Tensor]:
        """Initialize the additional state of a subclass, and return the tensors in it that an update changes."""
        return []

    @abstractmethod
    def _forward(self, target: Tensor, epsilon: Stream) -> ForwardOutput:
        """Compute the loss of a batch ``(N, *shape)`` with the networks that are trained."""

    def _batch_rows(self, coding: Coding) -> dict[str, Tensor]:
        """Return name of a ring buffer -> a row for it, from the codes of a whole batch."""
        return {"moments": moments(coding.codes)}

    @abstractmethod
    def _training_metrics(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tag -> 0-dimensional tensor, from the rows of the ring buffers."""

    @abstractmethod
    def _heldout_metrics(self, target: Tensor, epsilon: Stream) -> dict[str, Tensor]:
        """Return tag -> 0-dimensional tensor, from held-out samples with the moving average of the networks."""

    @abstractmethod
    def _histograms(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tag -> tensor of any shape, from the rows of the ring buffers."""

    def _widths(self, batch_size: int) -> dict[str, int]:
        """Return name of a ring buffer -> its width in a process with batches of this size."""
        return {"loss": 1, "reconstruction": batch_size, "moments": 2 * self.latent_dim}

    @abstractmethod
    def _update_prior(self) -> None:
        """Set the priors of the decoders, before they are used as generators."""

    def _update_networks(self) -> None:
        target = self._next_target()
        with self.scope as scope:
            codings = []
            for part in scope.parts(target):
                output = self._forward(part, self._streams["epsilon"])
                scope.accumulate(output.loss, **output.rows)
                codings.append(output.coding)
            loss = scope.apply()
            for name, row in self._batch_rows(join_rows(codings)).items():
                scope.record(name, row)
            scope.record("loss", loss[None])

    def _next_target(self) -> Tensor:
        """Return the next batch of samples, binarized if the likelihood is one of binary pixels."""
        with self.context.timer("data"):
            samples = self._device.layout(self.sampler.take(1).samples)
            return self.model.likelihood.target(samples, self._streams["binarise"])

    @torch.no_grad()
    def report(self) -> Report:
        """Compute means over the updates since the last report, and over held-out samples. Waits for the device."""
        values = {name: ring_buffer.values() for name, ring_buffer in self.ring_buffers.items()}
        metrics = {"loss/total": values["loss"].mean(), **self._training_metrics(values)}
        if self._probe_batches.available:  # of a single image, nothing is held out
            count, parts = self._held_out_parts(self._probe_batches.available)
            target, epsilon = self._probe_targets(count, self.progress.step)
            of_parts = [self._heldout_metrics(part, epsilon) for part in chunk_rows(target, parts)]
            metrics |= {tag: torch.stack([each[tag] for each in of_parts]).mean() for tag in of_parts[0]}
        scalars, nonfinite = self.step_scope.read(metrics, self.progress.step)
        histograms = {tag: each.cpu().numpy() for tag, each in self._histograms(values).items()}
        return self._make_report(scalars, nonfinite, histograms)

    def _probe_targets(self, max_count: int, step: int) -> tuple[Tensor, Stream]:
        """Held-out targets, a function of the step alone, and a random stream for their latents."""
        count = min(max_count, self._probe_batches.available)
        stream = SeededStream(self.context.seed, f"held out {step}", self._device.torch_device)
        samples = self._device.layout(self._probe_batches.heldout(count, step).samples)
        return self.ema_model.likelihood.target(samples, stream), stream

    def _variances(self, moments: Tensor) -> Tensor:
        """Variance of each dimension of the codes over all samples of a ring buffer's rows, ``(latent_dim,)``."""
        first, second = mean_over_processes(moments, 2 * self.latent_dim).chunk(2)
        return second - first.square()

    @torch.no_grad()
    def preview(self) -> Preview:
        """Generate samples from the run's fixed latents; for images, also reconstructions and interpolations."""
        self._update_prior()
        samples = self.ema_networks.generate(self._latents).cpu()
        has_panels = len(self.context.shape) == 3 and self._probe_batches.available >= 2
        panels = self._panels() if has_panels else {}
        return Preview(samples.numpy(), plane_around(self.context, samples), panels=panels, table=self.context.table)

    def _panels(self) -> dict[str, Panel]:
        originals, _ = self._probe_targets(RECONSTRUCTED, 0)
        ends = originals[: min(INTERPOLATED, len(originals) // 2 * 2)]

        def codes(target: Tensor) -> Tensor:
            return self.ema_networks.encode(target)[:, 0]

        panels = {
            "reconstructions": reconstructions(originals, codes, self.ema_networks.decode),
            "interpolations": interpolations(ends, codes, self.ema_networks.decode),
        }
        if self.latent_dim == 2:
            panels["manifold"] = manifold(self.ema_networks.generate, self._device.torch_device)
        return panels

    @torch.no_grad()
    def samples(self, count: int) -> FloatArray:
        """Generate samples of the decoder's moving average from latents of the run's seed, the same at every step."""
        self._update_prior()
        blocks = torch.split(fixed_latents(self.context.seed, count, self.latent_dim), BLOCK)
        device = self._device.torch_device
        drawn: FloatArray = torch.cat([self.ema_networks.generate(block.to(device)).cpu() for block in blocks]).numpy()
        return drawn

    def state_dict(self) -> dict[str, Any]:
        """Return weights, moving averages, optimizer, random streams, sampler, ring buffers and counters."""
        self._update_prior()
        return {
            "classes": 0,
            "heads": self.heads,
            **{key: network.state_dict() for key, network in self._checkpoint_modules().items()},
            **self._training_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; networks of another shape raise ``RuntimeError``."""
        for key, network in self._checkpoint_modules().items():
            network.load_state_dict(state[key])
        self._load_training_state(state)

    def _checkpoint_modules(self) -> dict[str, torch.nn.Module]:
        """Return the modules by their keys in a checkpoint; the decoder's keys are those of a GAN's generator."""
        return {
            "generator": self.model.decoder,
            "average": self.ema_model.decoder,  # key kept for checkpoints of earlier versions
            "encoder": self.model.encoder,
            "encoder_average": self.ema_model.encoder,
            "likelihood": self.model.likelihood,
            "likelihood_average": self.ema_model.likelihood,
        }


def moments(codes: Tensor) -> Tensor:
    """Compute the means of codes ``(N, D)`` and of their squares, concatenated, ``(2 D,)``."""
    return torch.cat([codes.mean(0), codes.square().mean(0)])


def mean_over_processes(rows: Tensor, width: int) -> Tensor:
    """Average rows with the columns of all processes side by side, ``(R, size width)``, to ``(width,)``."""
    return rows.view(-1, width).mean(0)
