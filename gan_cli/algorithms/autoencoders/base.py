"""Training that autoencoder and VAE share: an encoder and a decoder learn jointly to reconstruct samples."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

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
from gan_cli.algorithms.buffers import RingBuffer
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.inspection import NetworkState, find_nonfinite, global_norm
from gan_cli.algorithms.update_scope import StepScope
from gan_cli.components.ema import MovingAverage
from gan_cli.components.likelihoods import Likelihood
from gan_cli.components.optimizers import OptimizerConfig
from gan_cli.data.samplers import DataWait
from gan_cli.protocols.algorithm import NonFiniteReport, Panel, Preview, Report, RollbackAdjustment
from gan_cli.protocols.architecture import AutoencoderArchitecture
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import ProbeBatches, Sampler
from gan_cli.protocols.rng import Stream
from gan_cli.runtime.rng import BLOCK, PerRankRandomState, SeededStream, fixed_latents

# Most held-out samples that a report is computed from.
MAX_HELD_OUT = 512
# Held-out samples of a preview: originals of reconstructions, and ends of interpolations.
RECONSTRUCTED, INTERPOLATED = 32, 16


@dataclass(frozen=True)
class ForwardOutput:
    """Result of a forward pass over a batch.

    Attributes:
        loss: 0-dimensional.
        rows: name of a ring buffer -> a row for it.
    """

    loss: Tensor
    rows: Mapping[str, Tensor]


@dataclass(frozen=True)
class AutoencoderProgress:
    """The progress of training: the number of the latest step, and real batches so far."""

    step: int = 0
    batches: int = 0


class AutoencoderTrainer(AutoencoderSpec):
    """Trains an encoder and a decoder; subclasses define the loss and its metrics."""

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
        require_plain(self.name, context.classes, context.pac)
        require_fitting(likelihood, context.shape)
        self.context = context
        self._device = context.device
        self._timer = context.timer
        self.sampler = sampler
        self._probe_batches = probe_batches
        self.latent_dim = architecture.latent_dim
        device = self._device.torch_device
        torch.manual_seed(context.seed)
        encoder, decoder = architecture.encoder(context.shape, self.heads), architecture.decoder(context.shape)
        self.model = EncoderDecoder(self._device.place(encoder), self._device.place(decoder), likelihood.to(device))
        self.ema = MovingAverage(self.model, context.half_life)
        ema_model = self.ema.network
        assert isinstance(ema_model, EncoderDecoder)
        self.ema_model = ema_model
        self.networks: Networks = TrainingNetworks(self.model, context)
        self.ema_networks = Networks(self.ema_model, self._device)
        parameters = list(self.model.parameters())
        self.optimizer = optimizer.for_all(parameters)
        self._network_state = NetworkState("the autoencoder", self.model, self.optimizer)
        self._gradients: list[Tensor | None] | None = None
        self._norms = {"grad_norm/g": 0.0}
        self._streams = {name: context.stream(name, context.batch_size) for name in ("binarise", "epsilon")}
        self._global_random = PerRankRandomState(device, context.group)
        self._global_random.seed_per_rank(context.seed)
        self.progress = AutoencoderProgress()
        self.ring_buffers = {
            name: RingBuffer(context.log_every, width, device, context.group) for name, width in self._widths().items()
        }
        self.step_scope = StepScope(context, self.ring_buffers)
        self._data_wait = DataWait(sampler)
        count = context.sample_count * (16 if len(context.shape) == 1 else 1)  # a scatter plot takes more than a grid
        self._latents = fixed_latents(context.seed, count, self.latent_dim).to(device)
        self._init_extra_state()
        self.scope = self.step_scope.update_scope("G", self.optimizer, mutable=self._mutable_buffers())

    def _init_extra_state(self) -> None:
        """Initialize the additional state of a subclass."""

    @abstractmethod
    def _forward(self, target: Tensor, epsilon: Stream) -> ForwardOutput:
        """Compute the loss of a batch ``(N, *shape)`` with the networks that are trained."""

    @abstractmethod
    def _training_metrics(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tag -> 0-dimensional tensor, from the rows of the ring buffers."""

    @abstractmethod
    def _heldout_metrics(self, target: Tensor, epsilon: Stream) -> dict[str, Tensor]:
        """Return tag -> 0-dimensional tensor, from held-out samples with the moving average of the networks."""

    @abstractmethod
    def _histograms(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tag -> tensor of any shape, from the rows of the ring buffers."""

    def _widths(self) -> dict[str, int]:
        """Return name of a ring buffer -> its width in this process."""
        return {"loss": 1, "reconstruction": self.context.batch_size, "moments": 2 * self.latent_dim}

    def _mutable_buffers(self) -> list[Tensor]:
        """Return the tensors other than parameters that an update changes."""
        return list(self.model.buffers())

    @abstractmethod
    def _update_prior(self) -> None:
        """Set the priors of the decoders, before they are used as generators."""

    @property
    def images_seen(self) -> int:
        """Real samples used for training so far."""
        return self.progress.batches * self.context.global_batch_size

    def update(self, step: int) -> None:
        """Make one gradient step. Waits for data only, not for the device."""
        self._set_step(step)
        with self.step_scope:
            target = self._next_target()
            with self.scope as scope:
                output = self._forward(target, self._streams["epsilon"])
                loss = scope.step(output.loss, **output.rows)
                scope.record("loss", loss[None])
            self.ema.update(scope.applied)
        self._gradients = self.optimizer.all_gradients
        self.progress = AutoencoderProgress(step, self.progress.batches + 1)

    def _set_step(self, step: int) -> None:
        self.optimizer.set_step(step)
        self.ema.set_step(step)
        self.step_scope.nonfinite_policy.set_step(step)

    def _next_target(self) -> Tensor:
        """Return the next batch of samples, binarized if the likelihood is one of binary pixels."""
        with self._timer("data"):
            self.sampler.prepare(1)
            samples = self._device.layout(self.sampler.take(1).samples)
            return self.model.likelihood.target(samples, self._streams["binarise"])

    @torch.no_grad()
    def report(self) -> Report:
        """Compute means over the updates since the last report, and over held-out samples. Waits for the device."""
        values = {name: ring_buffer.values() for name, ring_buffer in self.ring_buffers.items()}
        metrics = {"loss/total": values["loss"].mean(), **self._training_metrics(values)}
        if self._probe_batches.available:  # of a single image, nothing is held out
            metrics |= self._heldout_metrics(*self._probe_targets(MAX_HELD_OUT, self.progress.step))
        scalars, nonfinite = self.step_scope.read(metrics, self.progress.step)
        scalars |= self._gradient_norms()
        scalars["lr/g"] = self.optimizer.rate
        scalars |= self._data_wait.metrics()
        histograms = {tag: each.cpu().numpy() for tag, each in self._histograms(values).items()}
        for ring_buffer in self.ring_buffers.values():
            ring_buffer.clear()
        headline = {name: scalars[tag] for name, tag in self.headline.items() if tag in scalars}
        return Report(scalars, histograms, headline, nonfinite=nonfinite)

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

    def _gradient_norms(self) -> dict[str, float]:
        """Global norm of the latest update's gradient; right after a resume, that of the checkpoint."""
        if self._gradients is not None:
            self._norms = {"grad_norm/g": global_norm(self._gradients)}
        return self._norms

    @torch.no_grad()
    def preview(self) -> Preview:
        """Generate samples from the run's fixed latents; for images, also reconstructions and interpolations."""
        self._update_prior()
        samples: FloatArray = self.ema_networks.generate(self._latents).cpu().numpy()
        has_panels = len(self.context.shape) == 3 and self._probe_batches.available >= 2
        return Preview(samples, panels=self._panels() if has_panels else {})

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

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the losses of samples and moments of codes, then buffers, gradients, moments and weights."""
        for name, ring_buffer in self.ring_buffers.items():
            yield f"the {name}", ring_buffer.values()
        yield from self._network_state.tensors(self._gradients or [])

    def nonfinite(self) -> NonFiniteReport | None:
        """Find a loss that was not finite, or a tensor of the state that is not. Waits for the device."""
        averages = (
            (f"average of the autoencoder's {name}", each) for name, each in self.ema_model.state_dict().items()
        )
        found = self.step_scope.nonfinite_policy.nonfinite(self.progress.step + 1) or find_nonfinite(
            chain(self._network_state.persistent_tensors(), averages)
        )
        return next(filter(None, self.context.group.all_gather_object(found)), None)

    def apply_adjustment(self, adjustment: RollbackAdjustment) -> None:
        """Scale the learning rate by G's factor; there is no discriminator, and so no instance noise."""
        self.optimizer.scale(adjustment.lr_g)

    def state_dict(self) -> dict[str, Any]:
        """Return weights, moving averages, optimizer, random streams, sampler, ring buffers and counters."""
        self._update_prior()
        return {
            "classes": 0,
            "heads": self.heads,
            **{key: network.state_dict() for key, network in self._checkpoint_modules().items()},
            "optimizer": self.optimizer.state_dict(),
            "random": {
                "global": self._global_random.state_dict(),
                **{name: stream.get_state() for name, stream in self._streams.items()},
            },
            "sampler": self.sampler.state_dict(),
            # key kept for checkpoints of earlier versions
            "windows": {name: ring_buffer.state_dict() for name, ring_buffer in self.ring_buffers.items()},
            "progress": dataclasses.asdict(self.progress),
            "gradient_norms": self._gradient_norms(),
            "soundness": self.step_scope.nonfinite_policy.state_dict(),  # key kept for checkpoints of earlier versions
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; networks of another shape raise ``RuntimeError``."""
        for key, network in self._checkpoint_modules().items():
            network.load_state_dict(state[key])
        self.optimizer.load_state_dict(state["optimizer"])
        self._global_random.load_state_dict(state["random"]["global"])
        for name, stream in self._streams.items():
            stream.set_state(state["random"][name])
        self.sampler.load_state_dict(state["sampler"])
        for name, ring_buffer in self.ring_buffers.items():
            ring_buffer.load_state_dict(state["windows"][name])
        self.progress = AutoencoderProgress(**state["progress"])
        self.step_scope.nonfinite_policy.load_state_dict(state["soundness"])
        self._set_step(self.progress.step)
        self._norms = dict(state["gradient_norms"])
        self._gradients = None

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

    def close(self) -> None:
        """Stop the sampler's thread, if it has one."""
        self.sampler.close()


def moments(codes: Tensor) -> Tensor:
    """Compute the means of codes ``(N, D)`` and of their squares, concatenated, ``(2 D,)``."""
    return torch.cat([codes.mean(0), codes.square().mean(0)])


def mean_over_processes(rows: Tensor, width: int) -> Tensor:
    """Average rows with the columns of all processes side by side, ``(R, size width)``, to ``(width,)``."""
    return rows.view(-1, width).mean(0)
