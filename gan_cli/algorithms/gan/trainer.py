"""GAN training: k updates of D on fresh minibatches, then one of G.

Algorithm 1 of Goodfellow et al. (2014), and of Arjovsky et al. (2017), whose n_critic is k.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from gan_cli.algorithms.buffers import RingBuffer
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.forward import TrainingForward
from gan_cli.algorithms.gan.batches import GANProgress, Gradients, UpdateBatch
from gan_cli.algorithms.gan.discriminator import DiscriminatorPipeline
from gan_cli.algorithms.gan.networks import build_networks
from gan_cli.algorithms.gan.previews import PreviewSampler
from gan_cli.algorithms.gan.probe import DiscriminatorProbe
from gan_cli.algorithms.gan.reports import DeviceReport, HostReport, gradient_norms, transfer
from gan_cli.algorithms.gan.spec import GANSpec
from gan_cli.algorithms.gan.statistics import headline, logit_metrics, rows_or_nan, top_mean
from gan_cli.algorithms.inspection import NetworkState, find_nonfinite
from gan_cli.algorithms.micro_batches import chunk_rows
from gan_cli.algorithms.update_scope import StepScope, UpdateScope
from gan_cli.architectures.spectral_norm import PowerIteration
from gan_cli.components.ema import MovingAverage
from gan_cli.components.losses import Loss
from gan_cli.components.optimizers import OptimizerConfig
from gan_cli.components.regularizers import DuePenalties, Regularization
from gan_cli.data.samplers import DataWait
from gan_cli.inference.stored_condition import stored_condition
from gan_cli.protocols.adversarial import Augmentation, NoiseLevel, ScoredBatch
from gan_cli.protocols.algorithm import NonFiniteReport, Preview, Report, RollbackAdjustment
from gan_cli.protocols.architecture import Architecture
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import Sampler
from gan_cli.runtime.cuda_graphs import GraphedSteps
from gan_cli.runtime.rng import PerRankRandomState

# Most batches that G generates in one forward pass, for as many updates of D: G does not change between them.
MAX_BATCHES_PER_PASS = 8


class GANTrainer(GANSpec):
    """Trains a generator G against a discriminator D, with any objective that defines the loss of each.

    Attributes:
        gradients: of the latest step; None before the first one and right after a resume.
    """

    gradients: Gradients | None = None

    def update(self, step: int) -> None:
        """Make one step, on the device as a CUDA graph where that is on. Waits for data only, not for the device."""
        self.set_step(step)
        penalties_due = self._plan_updates(step)  # one entry for each of the d_steps(step) updates of D
        self.gradients = self._captured_step(tuple(penalties_due), partial(self.train_step, penalties_due))

    def train_step(self, penalties_due: Sequence[DuePenalties]) -> Gradients:
        """Run algorithm 1 once, with an update of D for each entry of ``penalties_due``."""
        with self.step_scope:
            self.scope_g.snapshot(self._buffers_g)  # G's running statistics change while it generates D's batches
            fresh = penalties_due[:-1] if self._loss.reuse else penalties_due
            for due, batch in zip(fresh, self._discriminator_batches(len(fresh)), strict=True):
                self.update_discriminator(batch, due)
            batch = self._generator_batch()
            if self._loss.reuse:
                self.update_discriminator(batch, penalties_due[-1])
            self.update_generator(batch)
            self.ema.update(self.scope_g.applied)
        return Gradients(self.optimizer_d.gradients_by_parameter, self.optimizer_g.gradients_by_parameter)

    def update_discriminator(self, batch: UpdateBatch, due: DuePenalties) -> None:
        """Update D: minimize its loss on a real and a generated batch, plus the penalties that are due."""
        with self.scope_d as scope:
            self._power_iteration()  # of D's spectral norm: one an update (Miyato et al. 2018, algorithm 1)
            sides = self.regularization.gradient_sides(due)
            for part in scope.parts(batch):  # the whole batch, or one micro-batch after another
                assert part.real is not None
                real, fake = self.pipeline.score_pair(part.real, self._detached_samples(part), part.labels, sides)
                loss = self.context.mean_loss(self.objective.d_loss(real.logits, fake.logits))
                if due:
                    loss = loss + self._penalty(scope, due, real, fake, part.labels)
                scope.accumulate(loss, real=real.logits, fake=fake.logits)
            scope.apply()
            if self._loss.constraint is not None:  # after the step (Arjovsky et al. 2017, algorithm 1)
                self._loss.constraint.project(self.optimizer_d.parameters)
            self.pipeline.observe(self.objective, scope.recorded("real"), scope.recorded("fake"))

    def update_generator(self, batch: UpdateBatch) -> None:
        """Update G: minimize its loss on D's logits of a generated batch."""
        with self.scope_g as scope:
            for part in scope.parts(batch):
                fake = self.pipeline(self._samples(part), part.labels)
                real = fake  # a placeholder, unless the objective is relativistic
                if self.objective.relativistic:
                    assert part.real is not None
                    with torch.no_grad():
                        real = self.pipeline(part.real, part.labels)
                    scope.record("game_real", real)
                losses = self.objective.g_loss(real, fake)
                if self._loss.top_k is None:
                    loss = self.context.mean_loss(losses)
                else:
                    loss = top_mean(losses, fake, self._top_k_share)
                scope.accumulate(loss, game_fake=fake)
            scope.apply()

    def __init__(
        self,
        *,
        context: Context,
        architecture: Architecture,
        loss: Loss,
        noise: NoiseLevel,
        augment: Augmentation | None,
        optimizer: OptimizerConfig,
        sampler: Sampler,
    ) -> None:
        self.context = context
        self._device = context.device
        self._loss = loss
        self.objective = loss.objective
        self.sampler = sampler
        self._timer = context.timer
        device = self._device.torch_device
        self.generator, self.discriminator = build_networks(architecture, context)
        self._power_iteration = PowerIteration(self.discriminator)
        self.ema = MovingAverage(self.generator, context.half_life)
        self._generator_forward = TrainingForward(self.generator, context.device, context.batch_norm_group)
        self.latent_dim = architecture.latent_dim
        self._labels = None if context.labels is None else torch.from_numpy(context.labels).to(device)
        self.latent_stream = context.stream("latents", context.batch_size)
        self.noise_stream = context.stream("noise", context.packs_per_update)
        self._penalty_stream = context.stream("penalty", context.packs_per_update)
        self.pipeline = DiscriminatorPipeline(
            self.discriminator, context, noise=noise, noise_stream=self.noise_stream, augment=augment
        )
        self.regularization = Regularization(loss.penalties, loss.anneal, device)
        self._top_k_share = torch.ones((), device=device)
        self.optimizer_g = optimizer.for_generator(self.generator.parameters())
        self.optimizer_d = optimizer.for_discriminator(self.discriminator.parameters())
        self._global_random = PerRankRandomState(device, context.group)
        self._global_random.seed_per_rank(context.seed)
        self.ring_buffers = self._make_ring_buffers(context, loss.d_steps.regular)
        self.step_scope = StepScope(context, self.ring_buffers)
        self._buffers_g, buffers_d = list(self.generator.buffers()), list(self.discriminator.buffers())
        adaptive = self.pipeline.adaptive_tensors()
        self.scope_d = self.step_scope.update_scope("D", self.optimizer_d, mutable=[*buffers_d, *adaptive])
        # G's samples pass through D, and so move D's running statistics.
        self.scope_g = self.step_scope.update_scope("G", self.optimizer_g, mutable=buffers_d)
        state_d = NetworkState("D", self.discriminator, self.optimizer_d)
        self._network_states = (state_d, NetworkState("G", self.generator, self.optimizer_g))
        self.progress = GANProgress()
        self._norms = {"grad_norm/d": 0.0, "grad_norm/g": 0.0}
        self._data_wait = DataWait(sampler)
        streams = (self._penalty_stream, self.latent_stream, sampler, self.pipeline)
        recorder = self._device.recorder(lambda: [each for stream in streams for each in stream.rng_generators])
        self._captured_step: GraphedSteps[Gradients] = GraphedSteps(recorder)
        self._preview_sampler = PreviewSampler(context, self.latent_dim)
        self._probe = DiscriminatorProbe(context, self.generator, self.pipeline, self.objective, self.latent_dim)

    @staticmethod
    def _make_ring_buffers(context: Context, d_steps: int) -> dict[str, RingBuffer]:
        """Return buffers for the logits of D's and of G's updates, and for penalties; the names are checkpoint keys."""
        width, rows_g, rows_d = context.packs_per_update, context.log_every, context.log_every * d_steps
        # game_real and game_fake, names of earlier versions: logits in G's updates.
        rows = {"real": rows_d, "fake": rows_d, "game_real": rows_g, "game_fake": rows_g, "penalty": rows_d}
        device = context.device.torch_device
        return {name: RingBuffer(count, width, device, context.group) for name, count in rows.items()}

    @property
    def images_seen(self) -> int:
        """Real samples that D was trained on so far."""
        return self.progress.batches * self.context.global_batch_size

    def set_step(self, step: int) -> None:
        """Write the schedules' values at ``step`` to the device, where a captured step reads them."""
        self.optimizer_d.set_step(step)
        self.optimizer_g.set_step(step)
        self.ema.set_step(step)
        self.pipeline.set_step(step)
        self.regularization.set_step(step)
        self.step_scope.nonfinite_policy.set_step(step)
        if self._loss.top_k is not None:
            self._top_k_share.fill_(self._loss.top_k(step))

    def _plan_updates(self, step: int) -> list[DuePenalties]:
        """Return the penalties that are due in each of D's updates; prepare their batches, and count both as done."""
        done = self.progress
        due = [self.regularization.due(done.updates_d + index) for index in range(self._loss.d_steps(step))]
        real_for_g = self.objective.relativistic and not self._loss.reuse
        batches = len(due) + (1 if real_for_g else 0)
        with self._timer("data"):
            self.sampler.prepare(batches)
        self.progress = GANProgress(step, done.updates_d + len(due), done.batches + batches)
        return due

    def _penalty(
        self, scope: UpdateScope, due: DuePenalties, real: ScoredBatch, fake: ScoredBatch, labels: Tensor | None
    ) -> Tensor:
        """Compute the penalties that are due, 0-dimensional, and record their values."""
        score = partial(self.pipeline, labels=labels)
        term = self.regularization(due, score, real, fake, self._penalty_stream, self.context.mean_loss)
        scope.record("penalty", term.values)
        return term.loss

    def _discriminator_batches(self, count: int) -> Iterator[UpdateBatch]:
        """Yield fresh batches for D's next ``count`` updates, generated samples detached from G."""
        for start in range(0, count, MAX_BATCHES_PER_PASS):
            batches = min(MAX_BATCHES_PER_PASS, count - start)
            real, labels = self._real_batch(batches)
            with torch.no_grad():
                several = self._with_samples(real, labels, batches)
            yield from chunk_rows(several, batches)

    def _generator_batch(self) -> UpdateBatch:
        """Generate a batch for G's update; with a real one if the objective is relativistic or D reuses the batch."""
        if self.objective.relativistic or self._loss.reuse:
            real, labels = self._real_batch(1)
        else:
            real, labels = None, self._sample_labels()
        return self._with_samples(real, labels)

    def _real_batch(self, batches: int) -> tuple[Tensor, Tensor | None]:
        """Return the next real batches, and their labels if D is conditional."""
        with self._timer("data"):
            batch = self.sampler.take(batches)
            return self._device.layout(batch.samples), batch.labels

    def _sample_labels(self) -> Tensor | None:
        """Sample labels for a batch of generated samples, as frequent as in the data."""
        if self._labels is None:
            return None
        return self._labels[self.latent_stream.integers(len(self._labels), self.context.batch_size)]

    def _with_samples(self, real: Tensor | None, labels: Tensor | None, batches: int = 1) -> UpdateBatch:
        """Draw fresh latents for batches, and generate their samples unless that is done by micro-batches."""
        z = self.latent_stream.normal(batches * self.context.batch_size, self.latent_dim)
        whole = self.context.micro_batches.count == 1
        return UpdateBatch(real, z, labels, self._generate(z, labels, batches) if whole else None)

    def _samples(self, batch: UpdateBatch) -> Tensor:
        """Return the generated samples of a batch, those of a micro-batch generated now."""
        return self._generate(batch.latents, batch.labels) if batch.fake is None else batch.fake

    @torch.no_grad()
    def _detached_samples(self, batch: UpdateBatch) -> Tensor:
        """Return :meth:`_samples` detached from G."""
        return self._samples(batch).detach()

    def _generate(self, latents: Tensor, labels: Tensor | None, batches: int = 1) -> Tensor:
        """Generate the samples of batches, concatenated."""
        with self._timer("G"):
            return self._generator_forward(latents, labels, batches=batches)

    @torch.no_grad()
    def report(self) -> Report:
        """Compute the metrics of the updates since the last report (the latest ones of many). Waits for the device."""
        values = {name: ring_buffer.values() for name, ring_buffer in self.ring_buffers.items()}
        (on_host,) = transfer([self.measure(values)])
        for ring_buffer in self.ring_buffers.values():
            ring_buffer.clear()
        return self.make_report(on_host)

    @torch.no_grad()
    def measure(self, values: Mapping[str, Tensor]) -> DeviceReport:
        """Compute a report's metrics from rows of logits and penalties, by the names of their ring buffers."""
        objective = self.objective
        rows = {**values, **{name: rows_or_nan(values[name]) for name in ("real", "fake", "game_real", "game_fake")}}
        scores = {"d_real": objective.score(rows["real"]), "d_fake": objective.score(rows["fake"])}
        metrics = logit_metrics(objective, rows)
        metrics |= self.pipeline.metrics()
        if (self.progress.step + 1) % self.context.probe_every == 0:
            metrics |= self._probe.metrics(self.progress.step)
        metrics |= self.step_scope.nonfinite_policy.metrics()
        if self.gradients is not None:
            metrics |= gradient_norms(self.gradients.d, self.gradients.g)
        return DeviceReport(metrics, scores)

    def make_report(self, on_host: HostReport) -> Report:
        """Complete a report with what the host knows: learning rates, ceilings and the state of the updates."""
        scalars, objective = on_host.metrics, self.objective
        nonfinite = self.step_scope.nonfinite_policy.flush(self.progress.step + 1, scalars)
        if self.gradients is not None:
            self._norms = {tag: scalars[tag] for tag in self._norms}
        scalars |= self._norms
        scalars["lr/d"] = self.optimizer_d.rate
        scalars["lr/g"] = self.optimizer_g.rate
        scalars |= self._data_wait.metrics()
        if objective.ceiling is not None:
            scalars["divergence/ceiling"] = objective.ceiling
        meanings = dict.fromkeys(on_host.histograms, f"{objective.score_name} of D")
        return Report(scalars, on_host.histograms, headline(objective, scalars), meanings, nonfinite)

    def _gradient_norms(self) -> dict[str, float]:
        """Global norms of the latest update's gradients; right after a resume, those of the checkpoint."""
        if self.gradients is not None:
            self._norms = {tag: float(each) for tag, each in gradient_norms(self.gradients.d, self.gradients.g).items()}
        return self._norms

    @torch.no_grad()
    def preview(self) -> Preview:
        """Generate samples of the moving average from the run's fixed latents, one row a class if there are classes."""
        return self._preview_sampler.preview(self.ema.network, self.discriminator, self.objective)

    @torch.no_grad()
    def samples(self, count: int) -> FloatArray:
        """Generate samples of the moving average from latents of the run's seed, the same ones at every step."""
        return self._preview_sampler.draw(self.ema.network, count)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield D's logits, the penalties, then buffers, gradients, moments and weights of D, then those of G."""
        for name, key in {"D(x)": "real", "D(G(z))": "fake", "the penalty": "penalty"}.items():
            yield name, self.ring_buffers[key].values()
        gradients = self.gradients or Gradients([], [])
        yield from self._network_states[0].tensors(gradients.d)
        yield from self._network_states[1].tensors(gradients.g)

    def nonfinite(self) -> NonFiniteReport | None:
        """Find a loss that was not finite, or a tensor of the state that is not. Waits for the device."""
        averages = ((f"average of G's {name}", value) for name, value in self.ema.network.state_dict().items())
        persistent = chain(*(state.persistent_tensors() for state in self._network_states), averages)
        found = self.step_scope.nonfinite_policy.nonfinite(self.progress.step + 1) or find_nonfinite(persistent)
        return next(filter(None, self.context.group.all_gather_object(found)), None)

    def apply_adjustment(self, adjustment: RollbackAdjustment) -> None:
        """Scale both learning rates and raise the instance noise."""
        self.optimizer_g.scale(adjustment.lr_g)
        self.optimizer_d.scale(adjustment.lr_d)
        self.pipeline.add_sigma(adjustment.sigma)
        self._captured_step.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return weights, moving average, optimizers, random streams, sampler, ring buffers and counters."""
        return {
            "classes": stored_condition(self.context.condition),
            "generator": self.generator.state_dict(),
            "average": self.ema.network.state_dict(),  # key kept for checkpoints of earlier versions
            "judge": self.pipeline.state_dict(),  # key kept for checkpoints of earlier versions
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
            "random": {
                "global": self._global_random.state_dict(),
                "latents": self.latent_stream.get_state(),
                "penalty": self._penalty_stream.get_state(),
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
        self.generator.load_state_dict(state["generator"])
        self.ema.network.load_state_dict(state["average"])
        self.pipeline.load_state_dict(state["judge"])
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])
        self._global_random.load_state_dict(state["random"]["global"])
        self.latent_stream.set_state(state["random"]["latents"])
        self._penalty_stream.set_state(state["random"]["penalty"])
        self.sampler.load_state_dict(state["sampler"])
        for name, ring_buffer in self.ring_buffers.items():
            ring_buffer.load_state_dict(state["windows"][name])
        self.progress = GANProgress(**state["progress"])
        self.step_scope.nonfinite_policy.load_state_dict(state.get("soundness", {}))  # older checkpoints have none
        self.step_scope.nonfinite_policy.set_step(self.progress.step)
        self._norms = dict(state["gradient_norms"])
        self.gradients = None
        self._captured_step.clear()

    def close(self) -> None:
        """Stop the sampler's thread, if it has one."""
        self.sampler.close()
