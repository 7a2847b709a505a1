"""Training of a denoising diffusion model with the simple loss (Ho et al. 2020, algorithm 1 and eq. 14)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.diffusion.networks import DenoiserArchitecture, InPrecision, unknown_labels
from gan_cli.algorithms.diffusion.previews import PreviewSampler
from gan_cli.algorithms.diffusion.process import ForwardProcess, Prediction, per_sample
from gan_cli.algorithms.diffusion.reverse import ReverseProcess
from gan_cli.algorithms.diffusion.schedules import NoiseSchedule
from gan_cli.algorithms.diffusion.settings import (
    DiffusionSettings,
    GuidanceScale,
    LabelDropout,
    SamplingSteps,
    Timesteps,
)
from gan_cli.algorithms.diffusion.spec import QUARTILES, DiffusionSpec
from gan_cli.algorithms.diffusion.tags import EXPLAINED, HELD_OUT
from gan_cli.algorithms.diffusion.transitions import ReverseSampler
from gan_cli.algorithms.forward import TrainingForward
from gan_cli.algorithms.micro_batches import chunk_rows, join_rows
from gan_cli.algorithms.single_optimizer import SingleOptimizerTrainer
from gan_cli.components.optimizers import OptimizerConfig
from gan_cli.inference.stored_condition import stored_condition
from gan_cli.protocols.algorithm import Preview, Report
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import Batch, ProbeBatches, Sampler
from gan_cli.protocols.rng import Stream
from gan_cli.runtime.rng import SeededStream


@dataclass(frozen=True)
class NoisyBatch:
    """Noisy samples, and what the network is to predict from them.

    Attributes:
        samples: x_t, ``(N, *shape)``.
        timesteps: t, ``(N,)`` int64, from 1 to T.
        target: epsilon or v, ``(N, *shape)``.
        labels: ``(N,)`` or ``(N, K)``, or None where there are none.
    """

    samples: Tensor
    timesteps: Tensor
    target: Tensor
    labels: Tensor | None


class Diffusion(SingleOptimizerTrainer, DiffusionSpec):
    """Trains a network to predict v, or epsilon, of x_t = alpha_t x_0 + sigma_t epsilon, t drawn uniformly.

    Args:
        context: settings of the run.
        architecture: builds the denoiser.
        optimizer: of the denoiser.
        sampler: yields training batches.
        probe_batches: training and held-out samples to measure the loss on.
        schedule: how much noise each timestep adds.
        reverse: the steps from noise to a sample.
        timesteps: T, the number of timesteps of the forward process.
        prediction: what the network predicts: epsilon, the noise, or v (Salimans & Ho 2022).
        sampling_steps: steps from noise to a sample, at most ``timesteps``.
        label_dropout: share of the labels that are left out in training, for guidance; with ``conditional=true``.
        guidance: how strongly the class guides samples: 0 not at all, 1 as in training, above 1 classifier-free
            guidance (Ho & Salimans 2022); with ``conditional=true``.
    """

    network_name: ClassVar[str] = "the denoiser"

    def __init__(
        self,
        *,
        context: Context,
        architecture: DenoiserArchitecture,
        optimizer: OptimizerConfig,
        sampler: Sampler,
        probe_batches: ProbeBatches,
        schedule: NoiseSchedule,
        reverse: ReverseSampler,
        timesteps: Timesteps,
        prediction: Prediction,
        sampling_steps: SamplingSteps,
        label_dropout: LabelDropout,
        guidance: GuidanceScale,
    ) -> None:
        """Build the network and its optimizer.

        Args:
            context: settings of the run.
            architecture: builds the network.
            optimizer: of the network.
            sampler: supplies the training samples.
            probe_batches: held-out samples for reports.
            schedule: variances of the forward process.
            reverse: steps of the reverse process.
            timesteps: T, of the forward process.
            prediction: what the network predicts.
            sampling_steps: number of steps of the reverse process.
            label_dropout: share of labels that are left out in training, where there are classes, for guidance.
            guidance: 0: samples without class, 1: with it, above: classifier-free guidance.
        """
        settings = DiffusionSettings(
            schedule=schedule,
            reverse=reverse,
            timesteps=timesteps,
            prediction=prediction,
            sampling_steps=sampling_steps,
            label_dropout=label_dropout,
            guidance=guidance,
        )
        self._device = context.device
        self._probe_batches = probe_batches
        self._settings = settings
        device = self._device.torch_device
        torch.manual_seed(context.seed)
        self.network = self._device.place(architecture.denoiser(context.shape, context.condition))
        super().__init__(
            context=context,
            network=self.network,
            optimizer=optimizer,
            sampler=sampler,
            streams=("timesteps", "noise", "dropped labels"),
            ring_buffers=dict.fromkeys(("losses", "squares", "timesteps"), context.batch_size),
        )
        self._denoise = TrainingForward(self.network, self._device, context.batch_norm_group)
        self._ema_denoiser = InPrecision(self.ema.network, self._device)
        self.forward_process = ForwardProcess(settings.betas(), prediction).to(device)
        process = settings.reverse_steps(ReverseProcess, self._ema_denoiser, context.shape, context.condition)
        self._preview_sampler = PreviewSampler(context, process.to(device))

    def _update_networks(self) -> None:
        with self.context.timer("data"):
            batch = self._noisy_batch()
        with self.scope as scope:
            for part in scope.parts(batch):
                losses = self._losses(self._denoise, part)
                squares = part.target.square().flatten(1).mean(1)
                scope.accumulate(losses.mean(), losses=losses, squares=squares, timesteps=part.timesteps.float())
            scope.apply()

    def _noisy_batch(self) -> NoisyBatch:
        """Draw a batch with timesteps, noise and, where there are classes, labels of which some are left out."""
        batch = self.sampler.take(1)
        streams, count = self._streams, self.context.batch_size
        timesteps = 1 + streams["timesteps"].integers(self.forward_process.timesteps, count)
        if batch.labels is not None:
            dropped = streams["dropped labels"].uniform(count) < self._settings.label_dropout
            unknown = unknown_labels(self.context.condition, batch.labels)
            batch = Batch(batch.samples, torch.where(per_sample(dropped, batch.labels), unknown, batch.labels))
        return self._diffuse(batch, timesteps, streams["noise"])

    def _diffuse(self, batch: Batch, timesteps: Tensor, random: Stream) -> NoisyBatch:
        samples = self._device.layout(batch.samples)
        noise = random.normal_like(samples)
        noisy = self.forward_process.diffuse(samples, timesteps, noise)
        target = self.forward_process.target(samples, timesteps, noise)
        return NoisyBatch(noisy, timesteps, target, batch.labels)

    def _losses(self, denoise: Callable[..., Tensor], batch: NoisyBatch) -> Tensor:
        """Return the mean squared error of each sample, ``(N,)``."""
        time = batch.timesteps / self.forward_process.timesteps
        predicted = denoise(batch.samples, time, batch.labels).float()
        return (predicted - batch.target).square().flatten(1).mean(1)

    @torch.no_grad()
    def report(self) -> Report:
        """Compute means over the updates since the last report, and over held-out samples. Waits for the device."""
        values = {name: ring_buffer.values().flatten() for name, ring_buffer in self.ring_buffers.items()}
        total = values["losses"].mean()
        metrics = {"loss/total": total, EXPLAINED: 1 - total / values["squares"].mean()}
        if self._probe_batches.available:  # of a single image, nothing is held out
            metrics[HELD_OUT] = self._heldout_loss(self.progress.step)
        quartiles = (values["timesteps"] - 1) * len(QUARTILES) // self.forward_process.timesteps
        for number, tag in enumerate(QUARTILES):
            inside = (quartiles == number).float()
            metrics |= {tag: (values["losses"] * inside).sum() / inside.sum(), f"{tag} count": inside.sum()}
        scalars, nonfinite = self.step_scope.read(metrics, self.progress.step)
        for tag in QUARTILES:  # of few samples, none may be in a quartile
            if not scalars.pop(f"{tag} count"):
                del scalars[tag]
        return self._make_report(scalars, nonfinite, {})

    def _heldout_loss(self, step: int) -> Tensor:
        """Return the loss of the moving average on held-out samples, at timesteps evenly spaced; 0-dimensional."""
        count, parts = self._held_out_parts(self._probe_batches.available)
        device, last = self._device.torch_device, self.forward_process.timesteps
        stream = SeededStream(self.context.seed, f"held out {step}", device)
        # Evenly spaced timesteps, whose order has nothing to do with that of the samples.
        timesteps = 1 + (torch.arange(count, device=device) * last) // count
        batch = self._probe_batches.heldout(count, step)
        noisy = self._diffuse(batch, timesteps, stream)
        return join_rows([self._losses(self._ema_denoiser, part) for part in chunk_rows(noisy, parts)]).mean()

    @torch.no_grad()
    def preview(self) -> Preview:
        """Generate samples from the run's fixed latents, and show the reverse process of some of them."""
        return self._preview_sampler.preview()

    @torch.no_grad()
    def samples(self, count: int) -> FloatArray:
        """Generate samples of the moving average from latents of the run's seed, the same at every step."""
        return self._preview_sampler.draw(count)

    def state_dict(self) -> dict[str, Any]:
        """Return weights, moving average, optimizer, random streams, sampler, ring buffers and counters."""
        return {
            "classes": stored_condition(self.context.condition),
            "generator": self.network.state_dict(),
            "average": self.ema.network.state_dict(),
            **self._training_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; a network of another shape raises ``RuntimeError``."""
        self.network.load_state_dict(state["generator"])
        self.ema.network.load_state_dict(state["average"])
        self._load_training_state(state)
