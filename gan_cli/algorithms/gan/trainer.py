"""GAN training: k updates of D on fresh minibatches, then one update of G (Goodfellow et al. 2014, algorithm 1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gan_cli.algorithms.buffers import MetricBuffer, RingBuffer
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.gan.discriminator import DiscriminatorPipeline
from gan_cli.algorithms.gan.previews import PreviewSampler
from gan_cli.algorithms.gan.probe import DiscriminatorProbe
from gan_cli.algorithms.gan.spec import GANSpec
from gan_cli.algorithms.gan.statistics import HEADLINE, logit_metrics, rows_or_nan, top_mean
from gan_cli.algorithms.inspection import NetworkState, find_nonfinite, global_norm
from gan_cli.components.ema import MovingAverage
from gan_cli.components.losses import Loss
from gan_cli.components.optimizers import OptimizerConfig, ScheduledOptimizer
from gan_cli.data.samplers import DataWait
from gan_cli.protocols.adversarial import Augmentation, NoiseLevel, Objective, Penalty, ScoredBatch, Side
from gan_cli.protocols.algorithm import NonFiniteReport, Preview, Report, RollbackAdjustment
from gan_cli.protocols.architecture import Architecture
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import Sampler
from gan_cli.runtime.batch_norm import per_minibatch_statistics
from gan_cli.runtime.cuda_graphs import GraphedSteps
from gan_cli.runtime.rng import PerRankRandomState

# Most batches that G generates in one forward pass, for as many updates of D: G does not change between them.
MAX_BATCHES_PER_PASS = 8


# Names of the penalties in one update of D.
DuePenalties: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class UpdateBatch:
    """Real and generated samples of one update.

    Attributes:
        real: packs ``(N, *shape)``; None for an update of G that uses generated ones only.
        fake: packs ``(N, *shape)``.
        labels: ``(N,)`` of both, or None.
    """

    real: Tensor | None
    fake: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class GANProgress:
    """The progress of training: the number of the latest step, updates of D and real batches so far."""

    step: int = 0
    updates_d: int = 0
    batches: int = 0


@dataclass(frozen=True)
class Gradients:
    """Gradients of the latest updates of D and of G: a tensor for each parameter, or None for an unused one."""

    d: list[Tensor | None]
    g: list[Tensor | None]


class GANTrainer(GANSpec):
    """Trains a generator G against a discriminator D, with any objective that defines the loss of each."""

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
        self._objective: Objective = loss.objective
        self.sampler = sampler
        self._timer = context.timer
        device = self._device.torch_device
        torch.manual_seed(context.seed)
        self.generator = self._device.place(architecture.generator(context.shape, context.classes))
        self.discriminator = self._device.place(architecture.discriminator(context.pack_shape, context.classes))
        self.ema = MovingAverage(self.generator, context.half_life)
        self._generate = self._device.prepare(self.generator)
        self._per_minibatch_statistics = per_minibatch_statistics(self.generator, context.batch_norm_group)
        self.latent_stream = context.stream("latents", context.batch_size)
        self.noise_stream = context.stream("noise", context.packs_per_update)
        self._critic = DiscriminatorPipeline(
            self.discriminator, context, noise=noise, noise_stream=self.noise_stream, augment=augment
        )
        self._parameters_g: list[Tensor] = list(self.generator.parameters())
        self._parameters_d: list[Tensor] = list(self.discriminator.parameters())
        self.optimizer_g = optimizer.for_generator(self._parameters_g)
        self.optimizer_d = optimizer.for_discriminator(self._parameters_d)

        self.latent_dim = architecture.latent_dim
        self._labels = None if context.labels is None else torch.from_numpy(context.labels).to(device)
        self._penalty_stream = context.stream("penalty", context.packs_per_update)
        self._global_random = PerRankRandomState(device, context.group)
        self._global_random.seed_per_rank(context.seed)
        self._nonfinite_policy = context.nonfinite_policy(device)
        state_d = NetworkState("D", self.discriminator, self.optimizer_d)
        self._network_states = (state_d, NetworkState("G", self.generator, self.optimizer_g))
        self._buffers_g, self._buffers_d = list(self.generator.buffers()), list(self.discriminator.buffers())
        self._penalty_factor = torch.ones((), device=device)
        self._top_k_share = torch.ones((), device=device)
        self.progress = GANProgress()
        self.gradients: Gradients | None = None
        self._norms = {"grad_norm/d": 0.0, "grad_norm/g": 0.0}
        self._data_wait = DataWait(sampler)
        rows, width, group = context.log_every, context.packs_per_update, context.group
        self.ring_buffers = {
            "real": RingBuffer(rows * loss.d_steps.regular, width, device, group),
            "fake": RingBuffer(rows * loss.d_steps.regular, width, device, group),
            # logits in G's update; keys in checkpoints
            "game_real": RingBuffer(rows, width, device, group),
            "game_fake": RingBuffer(rows, width, device, group),
            "penalty": RingBuffer(rows * loss.d_steps.regular, width, device, group),
        }
        self._metric_buffer = MetricBuffer(self.ring_buffers)
        streams = (self._penalty_stream, self.latent_stream, sampler, self._critic)
        generators = [each for stream in streams for each in stream.generators]
        self._captured_step: GraphedSteps[Gradients] = GraphedSteps(self._device.recorder(generators))
        self._preview_sampler = PreviewSampler(context, self.latent_dim)
        self._probe = DiscriminatorProbe(context, self.generator, self._critic, self._objective, self.latent_dim)

    @property
    def images_seen(self) -> int:
        """Real samples that D was trained on so far."""
        return self.progress.batches * self.context.global_batch_size

    def update(self, step: int) -> None:
        """Update D k times, then G, then the moving average. Waits for data only, not for the device."""
        self.set_step(step)
        done = self.progress
        due = [self._due_penalties(done.updates_d + index) for index in range(self._loss.d_steps(step))]
        batches = len(due) + (self._objective.relativistic and not self._loss.reuse)
        with self._timer("data"):
            self.sampler.prepare(batches)
        self.gradients = self._captured_step(tuple(due), partial(self._train_step, due))
        self.progress = GANProgress(step, done.updates_d + len(due), done.batches + batches)

    def set_step(self, step: int) -> None:
        """Write the schedules' values at ``step`` to the device, where a captured step reads them."""
        self.optimizer_d.set_step(step)
        self.optimizer_g.set_step(step)
        self.ema.set_step(step)
        self._critic.set_step(step)
        self._nonfinite_policy.set_step(step)
        if self._loss.anneal is not None:
            self._penalty_factor.fill_(self._loss.anneal(step))
        if self._loss.top_k is not None:
            self._top_k_share.fill_(self._loss.top_k(step))

    def _due_penalties(self, update: int) -> DuePenalties:
        """Return the penalties that are due in D's update number ``update``, counted from 0."""
        return tuple(name for name, penalty in self._loss.penalties.items() if update % penalty.every == 0)

    def _train_step(self, due: list[DuePenalties]) -> Gradients:
        """Run the step on the device, with an update of D for each entry of ``due``: the part that a graph captures."""
        self._metric_buffer.clear()  # of a step whose capture failed
        saved = self._nonfinite_policy.snapshot(self._buffers_g)
        for penalties, batch in zip(due, self._discriminator_batches(len(due) - self._loss.reuse), strict=False):
            self._update_discriminator(penalties, batch)
        generator_batch = self._generator_batch()
        if self._loss.reuse:
            self._update_discriminator(due[-1], generator_batch)
        gradients_d = [parameter.grad for parameter in self._parameters_d]
        applied = self._update_generator(generator_batch)
        with self._timer("optimizer"):
            self._nonfinite_policy.restore(self._buffers_g, saved, applied)
            self.ema.update(applied)
        self._nonfinite_policy.finish_step()
        self._metric_buffer.flush()
        return Gradients(gradients_d, [parameter.grad for parameter in self._parameters_g])

    def _discriminator_batches(self, count: int) -> Iterator[UpdateBatch]:
        """Yield fresh batches for D's next ``count`` updates, generated samples detached from G."""
        for start in range(0, count, MAX_BATCHES_PER_PASS):
            batches = min(MAX_BATCHES_PER_PASS, count - start)
            real, labels = self._real_batch(batches)
            with torch.no_grad():
                fake = self._critic.pack(self._generate_batch(labels, batches))
            each = [None] * batches if labels is None else labels.chunk(batches)
            yield from map(UpdateBatch, real.chunk(batches), fake.chunk(batches), each)

    def _generator_batch(self) -> UpdateBatch:
        """Generate a batch for G's update; with a real one if the objective is relativistic or D reuses the batch."""
        if self._objective.relativistic or self._loss.reuse:
            real, labels = self._real_batch(1)
        else:
            real, labels = None, self._sample_labels()
        return UpdateBatch(real, self._critic.pack(self._generate_batch(labels)), labels)

    def _update_discriminator(self, due: DuePenalties, batch: UpdateBatch) -> None:
        assert batch.real is not None
        mutable = [*self._buffers_d, *self._critic.adaptive_tensors()]
        saved = self._nonfinite_policy.snapshot(mutable)
        penalties = [self._loss.penalties[name] for name in due]
        gradient_sides = frozenset[Side]().union(*(penalty.gradient_sides for penalty in penalties))
        with self._timer("D"):
            real, fake = self._critic.score_pair(batch.real, batch.fake.detach(), batch.labels, gradient_sides)
            loss = self._mean_loss(self._objective.d_loss(real.logits, fake.logits))
            if penalties:
                loss = loss + self._penalty_loss(penalties, real, fake, batch.labels)
            loss = self._differentiate(self.optimizer_d, loss)
        with self._timer("optimizer"):
            applied = self._nonfinite_policy.step("D", self.optimizer_d, loss)
            if self._loss.constraint is not None:
                self._loss.constraint.project(self._parameters_d)
        self._critic.observe(self._objective, real.logits, fake.logits)
        self._metric_buffer.record("real", real.logits.detach())
        self._metric_buffer.record("fake", fake.logits.detach())
        self._nonfinite_policy.restore(mutable, saved, applied)
        self._metric_buffer.commit(applied)

    def _differentiate(self, optimizer: ScheduledOptimizer, loss: Tensor) -> Tensor:
        """Compute the gradient of the loss, averaged over all processes, which are waited for.

        Returns:
            The averaged loss, 0-dimensional, so that all processes apply or skip the update alike.
        """
        optimizer.differentiate(loss)
        loss = loss.detach()
        if self.context.group.size > 1:
            self.context.group.all_reduce_mean([*optimizer.gradients, loss])
        return loss

    def _penalty_loss(self, due: list[Penalty], real: ScoredBatch, fake: ScoredBatch, labels: Tensor | None) -> Tensor:
        """Sum the penalties that are due, 0-dimensional; each also counts for the updates that it is omitted from."""

        def critic(points: Tensor) -> Tensor:
            return self._critic(points, labels)

        values = [penalty.weight * penalty(critic, real, fake, self._penalty_stream) for penalty in due]
        self._metric_buffer.record("penalty", (self._penalty_factor * torch.stack(values).sum(0)).detach())
        lazy = [penalty.every * self._mean_loss(value) for penalty, value in zip(due, values, strict=True)]
        return self._penalty_factor * torch.stack(lazy).sum()

    def _mean_loss(self, losses: Tensor) -> Tensor:
        """Reduce losses to a scalar loss, 0-dimensional: the mean of each replica, summed over replicas."""
        return losses.mean() if self.context.num_replicas == 1 else self.context.num_replicas * losses.mean()

    def _update_generator(self, batch: UpdateBatch) -> Tensor | None:
        """Update G; returns the result of :meth:`NonFinitePolicy.step`."""
        saved = self._nonfinite_policy.snapshot(self._buffers_d)
        with self._timer("G"):
            fake = self._critic(batch.fake, batch.labels)
            real = fake  # unused unless the objective is relativistic
            if self._objective.relativistic:
                assert batch.real is not None
                with torch.no_grad():
                    real = self._critic(batch.real, batch.labels)
                self._metric_buffer.record("game_real", real)
            losses = self._objective.g_loss(real, fake)
            loss = self._mean_loss(losses) if self._loss.top_k is None else top_mean(losses, fake, self._top_k_share)
            loss = self._differentiate(self.optimizer_g, loss)
        with self._timer("optimizer"):
            applied = self._nonfinite_policy.step("G", self.optimizer_g, loss)
        self._metric_buffer.record("game_fake", fake.detach())
        self._nonfinite_policy.restore(self._buffers_d, saved, applied)
        self._metric_buffer.commit(applied)
        return applied

    def _real_batch(self, batches: int) -> tuple[Tensor, Tensor | None]:
        """Return packs of the next real batches, and their labels if D is conditional."""
        with self._timer("data"):
            batch = self.sampler.take(batches)
            return self._critic.pack(self._device.layout(batch.samples)), batch.labels

    def _sample_labels(self) -> Tensor | None:
        """Sample labels for a batch of generated samples, as frequent as in the data."""
        if self._labels is None:
            return None
        return self._labels[self.latent_stream.integers(len(self._labels), self.context.batch_size)]

    def _generate_batch(self, labels: Tensor | None, batches: int = 1) -> Tensor:
        """Generate batches of samples from fresh latents."""
        z = self.latent_stream.normal(batches * self.context.batch_size, self.latent_dim)
        with self._timer("G"), self._device.precision(), self._per_minibatch_statistics(batches):
            fake: Tensor = self._generate(z) if labels is None else self._generate(z, labels)
        return fake

    @torch.no_grad()
    def report(self) -> Report:
        """Compute the metrics of the updates since the last report (the latest ones of many). Waits for the device."""
        objective = self._objective
        values = {name: ring_buffer.values() for name, ring_buffer in self.ring_buffers.items()}
        values |= {name: rows_or_nan(values[name]) for name in ("real", "fake", "game_real", "game_fake")}
        scores = {"d_real": objective.score(values["real"]), "d_fake": objective.score(values["fake"])}
        metrics = logit_metrics(objective, values)
        metrics |= self._critic.metrics()
        if (self.progress.step + 1) % self.context.probe_every == 0:
            metrics |= self._probe.metrics(self.progress.step)
        metrics |= self._nonfinite_policy.metrics()
        # A single transfer for all metrics. The ring buffers above, and gradient norms and histograms below, wait too.
        numbers = torch.stack(list(metrics.values())).tolist()
        scalars = dict(zip(metrics, numbers, strict=True))
        nonfinite = self._nonfinite_policy.flush(self.progress.step + 1, scalars)
        scalars |= self._gradient_norms()
        scalars["lr/d"] = self.optimizer_d.rate
        scalars["lr/g"] = self.optimizer_g.rate
        scalars |= self._data_wait.metrics()
        histograms = {name: score.flatten().cpu().numpy() for name, score in scores.items()}
        for ring_buffer in self.ring_buffers.values():
            ring_buffer.clear()
        headline = {name: scalars[tag] for name, tag in HEADLINE.items()}
        if objective.ceiling is not None:
            scalars["divergence/ceiling"] = objective.ceiling
        meanings = dict.fromkeys(histograms, f"{objective.score_name} of D")
        return Report(scalars, histograms, headline, meanings, nonfinite)

    def _gradient_norms(self) -> dict[str, float]:
        """Global norms of the latest update's gradients; right after a resume, those of the checkpoint."""
        if self.gradients is not None:
            self._norms = {
                "grad_norm/d": global_norm(self.gradients.d),
                "grad_norm/g": global_norm(self.gradients.g),
            }
        return self._norms

    @torch.no_grad()
    def preview(self) -> Preview:
        """Generate samples of the moving average from the run's fixed latents, one row a class if there are classes."""
        return self._preview_sampler.preview(self.ema.network, self.discriminator, self._objective)

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
        found = self._nonfinite_policy.nonfinite(self.progress.step + 1) or find_nonfinite(persistent)
        return next(filter(None, self.context.group.all_gather_object(found)), None)

    def apply_adjustment(self, adjustment: RollbackAdjustment) -> None:
        """Scale both learning rates and raise the instance noise."""
        self.optimizer_g.scale(adjustment.lr_g)
        self.optimizer_d.scale(adjustment.lr_d)
        self._critic.add_sigma(adjustment.sigma)
        self._captured_step.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return weights, moving average, optimizers, random streams, sampler, ring buffers and counters."""
        return {
            "classes": self.context.classes,
            "generator": self.generator.state_dict(),
            "average": self.ema.network.state_dict(),  # key kept for checkpoints of earlier versions
            "judge": self._critic.state_dict(),  # key kept for checkpoints of earlier versions
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
            "soundness": self._nonfinite_policy.state_dict(),  # key kept for checkpoints of earlier versions
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; networks of another shape raise ``RuntimeError``."""
        self.generator.load_state_dict(state["generator"])
        self.ema.network.load_state_dict(state["average"])
        self._critic.load_state_dict(state["judge"])
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])
        self._global_random.load_state_dict(state["random"]["global"])
        self.latent_stream.set_state(state["random"]["latents"])
        self._penalty_stream.set_state(state["random"]["penalty"])
        self.sampler.load_state_dict(state["sampler"])
        for name, ring_buffer in self.ring_buffers.items():
            ring_buffer.load_state_dict(state["windows"][name])
        self.progress = GANProgress(**state["progress"])
        self._nonfinite_policy.load_state_dict(state.get("soundness", {}))  # older checkpoints have none
        self._nonfinite_policy.set_step(self.progress.step)
        self._norms = dict(state["gradient_norms"])
        self.gradients = None
        self._captured_step.clear()

    def close(self) -> None:
        """Stop the sampler's thread, if it has one."""
        self.sampler.close()
