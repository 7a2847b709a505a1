"""The adversarial game: k steps of D on fresh minibatches, then one step of G (Goodfellow et al. 2014, algorithm 1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gan_cli.algorithms.buffers import Ledger, Window
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.gan.discriminator import Judge
from gan_cli.algorithms.gan.previews import Showcase
from gan_cli.algorithms.gan.probe import Checkup
from gan_cli.algorithms.gan.spec import Game
from gan_cli.algorithms.gan.statistics import HEADLINE, rows_or_nan, top_mean, window_figures
from gan_cli.algorithms.inspection import Player, global_norm, trouble_in
from gan_cli.components.ema import MovingAverage
from gan_cli.components.optimizers import Recipe, ScheduledOptimizer
from gan_cli.config.schema import LossSection
from gan_cli.data.samplers import DataWait
from gan_cli.protocols.adversarial import Augmentation, Judged, NoiseLevel, Objective, Penalty, Side
from gan_cli.protocols.algorithm import Preview, Report, Treatment, Trouble
from gan_cli.protocols.architecture import Architecture
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import Sampler
from gan_cli.runtime.batch_norm import separator
from gan_cli.runtime.cuda_graphs import Replayed
from gan_cli.runtime.rng import EachRandomState

# Batches that G generates in one pass for as many of D's updates, at most: G does not change between them.
AHEAD = 8


# The penalties, by name, that are due in one update of D.
Due: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Round:
    """What one update looks at.

    Attributes:
        real: packs ``(N, *shape)``; None where only generated ones are looked at.
        fake: packs ``(N, *shape)``.
        labels: ``(N,)`` of both, or None.
    """

    real: Tensor | None
    fake: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class Progress:
    """How far a game has come: the number of its latest update, D's updates and real batches so far."""

    step: int = 0
    updates_d: int = 0
    batches: int = 0


@dataclass(frozen=True)
class Gradients:
    """What the latest updates of D and of G went along: a tensor for each parameter, or None for one without use."""

    d: list[Tensor | None]
    g: list[Tensor | None]


class Adversarial(Game):
    """G against D. The objective says what each minimises; everything else here is the same for all of them."""

    def __init__(
        self,
        *,
        context: Context,
        architecture: Architecture,
        loss: LossSection,
        noise: NoiseLevel,
        augment: Augmentation | None,
        optimizer: Recipe,
        sampler: Sampler,
    ) -> None:
        self.context = context
        self._device = context.device
        self._loss = loss
        self._objective: Objective = loss.objective
        self.sampler = sampler
        self._watch = context.watch
        on = self._device.torch_device
        torch.manual_seed(context.seed)
        self.generator = self._device.place(architecture.generator(context.shape, context.classes))
        self.discriminator = self._device.place(architecture.discriminator(context.pack_shape, context.classes))
        self.average = MovingAverage(self.generator, context.half_life)
        self._generate = self._device.prepare(self.generator)
        self._separate = separator(self.generator, context.synchronising)
        self.latent_stream = context.stream("latents", context.batch_size)
        self.noise_stream = context.stream("noise", context.packs)
        self._judge = Judge(self.discriminator, context, noise=noise, noise_stream=self.noise_stream, augment=augment)
        self._parameters_g: list[Tensor] = list(self.generator.parameters())
        self._parameters_d: list[Tensor] = list(self.discriminator.parameters())
        self.optimizer_g = optimizer.for_generator(self._parameters_g)
        self.optimizer_d = optimizer.for_discriminator(self._parameters_d)

        self.latent_dim = architecture.latent_dim
        self._labels = None if context.labels is None else torch.from_numpy(context.labels).to(on)
        self._penalty_stream = context.stream("penalty", context.packs)
        self._global_random = EachRandomState(on, context.group)
        self._global_random.part_ways(context.seed)
        self._soundness = context.soundness(on)
        player_d = Player("D", self.discriminator, self.optimizer_d)
        self._players = (player_d, Player("G", self.generator, self.optimizer_g))
        self._beside_g, self._beside_d = list(self.generator.buffers()), list(self.discriminator.buffers())
        self._anneal = torch.ones((), device=on)
        self._top_share = torch.ones((), device=on)
        self.progress = Progress()
        self.gradients: Gradients | None = None
        self._norms = {"grad_norm/d": 0.0, "grad_norm/g": 0.0}
        self._wait = DataWait(sampler)
        rows, width, group = context.log_every, context.packs, context.group
        self.windows = {
            "real": Window(rows * loss.d_steps, width, on, group),
            "fake": Window(rows * loss.d_steps, width, on, group),
            "game_real": Window(rows, width, on, group),
            "game_fake": Window(rows, width, on, group),
            "penalty": Window(rows * loss.d_steps, width, on, group),
        }
        self._ledger = Ledger(self.windows)
        streams = (self._penalty_stream, self.latent_stream, sampler, self._judge)
        generators = [each for stream in streams for each in stream.generators]
        self._run: Replayed[Gradients] = Replayed(self._device.recorder(generators))
        self._showcase = Showcase(context, self.latent_dim)
        self._checkup = Checkup(context, self.generator, self._judge, self._objective, self.latent_dim)

    @property
    def images_seen(self) -> int:
        """Real samples shown to D so far."""
        return self.progress.batches * self.context.together

    def update(self, step: int) -> None:
        """D's steps, then G's, then the moving average. Launches work and waits for none of it but for data."""
        self.set_clock(step)
        done = self.progress
        due = [self._due(done.updates_d + index) for index in range(self._loss.d_steps_at(step))]
        batches = len(due) + (self._objective.relativistic and not self._loss.reuse)
        with self._watch("data"):
            self.sampler.prepare(batches)
        self.gradients = self._run(tuple(due), partial(self._play, due))
        self.progress = Progress(step, done.updates_d + len(due), done.batches + batches)

    def set_clock(self, step: int) -> None:
        """Hand the schedules' values to the device, where a replayed step reads them."""
        self.optimizer_d.set_step(step)
        self.optimizer_g.set_step(step)
        self.average.set_step(step)
        self._judge.set_clock(step)
        self._soundness.set_clock(step)
        if self._loss.anneal is not None:
            self._anneal.fill_(self._loss.anneal(step))
        if self._loss.top_k is not None:
            self._top_share.fill_(self._loss.top_k(step))

    def _due(self, update: int) -> Due:
        """The penalties that are due in D's update number ``update``, counted from 0."""
        return tuple(name for name, penalty in self._loss.penalties.items() if update % penalty.every == 0)

    def _play(self, due: list[Due]) -> Gradients:
        """The whole step on the device, one update of D for each entry of ``due``: what a graph records."""
        self._ledger.clear()  # of a step that could not be recorded to its end
        before = self._soundness.keep(self._beside_g)
        for penalties, round_ in zip(due, self._rounds(len(due) - self._loss.reuse), strict=False):
            self._update_discriminator(penalties, round_)
        game = self._game()
        if self._loss.reuse:
            self._update_discriminator(due[-1], game)
        gradients_d = [parameter.grad for parameter in self._parameters_d]
        made = self._update_generator(game)
        with self._watch("optimizer"):
            self._soundness.put_back(self._beside_g, before, made)
            self.average.update(made)
        self._soundness.finish_step()
        self._ledger.book()
        return Gradients(gradients_d, [parameter.grad for parameter in self._parameters_g])

    def _rounds(self, count: int) -> Iterator[Round]:
        """What D's next ``count`` updates look at: fresh batches, and no way back to G."""
        for start in range(0, count, AHEAD):
            batches = min(AHEAD, count - start)
            real, labels = self._real(batches)
            with torch.no_grad():
                fake = self._judge.pack(self._fake(labels, batches))
            each = [None] * batches if labels is None else labels.chunk(batches)
            yield from map(Round, real.chunk(batches), fake.chunk(batches), each)

    def _game(self) -> Round:
        """What G's update looks at: a batch that G can learn from, and a real one for who compares the two."""
        if self._objective.relativistic or self._loss.reuse:
            real, labels = self._real(1)
        else:
            real, labels = None, self._drawn_labels()
        return Round(real, self._judge.pack(self._fake(labels)), labels)

    def _update_discriminator(self, due: Due, round_: Round) -> None:
        assert round_.real is not None
        changing = [*self._beside_d, *self._judge.adapted()]
        before = self._soundness.keep(changing)
        penalties = [self._loss.penalties[name] for name in due]
        slopes = frozenset[Side]().union(*(penalty.looks_at for penalty in penalties))
        with self._watch("D"):
            real, fake = self._judge.both(round_.real, round_.fake.detach(), round_.labels, slopes)
            loss = self._mean(self._objective.d_loss(real.logits, fake.logits))
            if penalties:
                loss = loss + self._penalty(penalties, real, fake, round_.labels)
            loss = self._differentiate(self.optimizer_d, loss)
        with self._watch("optimizer"):
            made = self._soundness.take("D", self.optimizer_d, loss)
            if self._loss.constraint is not None:
                self._loss.constraint.project(self._parameters_d)
        self._judge.observe(self._objective, real.logits, fake.logits)
        self._ledger.note("real", real.logits.detach())
        self._ledger.note("fake", fake.logits.detach())
        self._soundness.put_back(changing, before, made)
        self._ledger.settle(made)

    def _differentiate(self, optimizer: ScheduledOptimizer, loss: Tensor) -> Tensor:
        """Give a network the gradient of the loss, or of its mean over all processes; those are waited for.

        Returns:
            That loss, 0-dimensional: what is made of the update is the same in all processes.
        """
        optimizer.differentiate(loss)
        loss = loss.detach()
        if self.context.group.size > 1:
            self.context.group.average([*optimizer.gradients, loss])
        return loss

    def _penalty(self, due: list[Penalty], real: Judged, fake: Judged, labels: Tensor | None) -> Tensor:
        """What the penalties that are due cost D, 0-dimensional: each counts for the updates it is left out of."""

        def critic(points: Tensor) -> Tensor:
            return self._judge(points, labels)

        values = [penalty.weight * penalty(critic, real, fake, self._penalty_stream) for penalty in due]
        self._ledger.note("penalty", (self._anneal * torch.stack(values).sum(0)).detach())
        lazy = [penalty.every * self._mean(value) for penalty, value in zip(due, values, strict=True)]
        return self._anneal * torch.stack(lazy).sum()

    def _mean(self, losses: Tensor) -> Tensor:
        """What is minimised, 0-dimensional: the mean of the losses of each game, summed over games side by side."""
        return losses.mean() if self.context.lanes == 1 else self.context.lanes * losses.mean()

    def _update_generator(self, round_: Round) -> Tensor | None:
        """Returns whether it was made, as ``Soundness.take`` does."""
        before = self._soundness.keep(self._beside_d)
        with self._watch("G"):
            fake = self._judge(round_.fake, round_.labels)
            real = fake  # an objective that is not relativistic does not look
            if self._objective.relativistic:
                assert round_.real is not None
                with torch.no_grad():
                    real = self._judge(round_.real, round_.labels)
                self._ledger.note("game_real", real)
            losses = self._objective.g_loss(real, fake)
            loss = self._mean(losses) if self._loss.top_k is None else top_mean(losses, fake, self._top_share)
            loss = self._differentiate(self.optimizer_g, loss)
        with self._watch("optimizer"):
            made = self._soundness.take("G", self.optimizer_g, loss)
        self._ledger.note("game_fake", fake.detach())
        self._soundness.put_back(self._beside_d, before, made)
        self._ledger.settle(made)
        return made

    def _real(self, batches: int) -> tuple[Tensor, Tensor | None]:
        """Packs of the next real batches, and their labels if D is told any."""
        with self._watch("data"):
            batch = self.sampler.take(batches)
            return self._judge.pack(self._device.layout(batch.samples)), batch.labels

    def _drawn_labels(self) -> Tensor | None:
        """Labels for a batch of G's own, as frequent as in the data."""
        if self._labels is None:
            return None
        return self._labels[self.latent_stream.integers(len(self._labels), self.context.batch_size)]

    def _fake(self, labels: Tensor | None, batches: int = 1) -> Tensor:
        """Batches of generated samples from fresh latents."""
        z = self.latent_stream.normal(batches * self.context.batch_size, self.latent_dim)
        with self._watch("G"), self._device.precision(), self._separate(batches):
            fake: Tensor = self._generate(z) if labels is None else self._generate(z, labels)
        return fake

    @torch.no_grad()
    def report(self) -> Report:
        """Everything of design section 7 over the updates since the last report (or the latest of many)."""
        objective = self._objective
        values = {name: window.values() for name, window in self.windows.items()}
        values |= {name: rows_or_nan(values[name]) for name in ("real", "fake", "game_real", "game_fake")}
        scores = {"d_real": objective.score(values["real"]), "d_fake": objective.score(values["fake"])}
        figures = window_figures(objective, values)
        figures |= self._judge.figures()
        if (self.progress.step + 1) % self.context.examine_every == 0:
            figures |= self._checkup.figures(self.progress.step)
        figures |= self._soundness.figures()
        # The one place where training waits for the device: a single transfer for all figures.
        numbers = torch.stack(list(figures.values())).tolist()
        scalars = dict(zip(figures, numbers, strict=True))
        trouble = self._soundness.conclude(self.progress.step + 1, scalars)
        scalars |= self._gradient_norms()
        scalars["lr/d"] = self.optimizer_d.rate
        scalars["lr/g"] = self.optimizer_g.rate
        scalars |= self._wait.figures()
        histograms = {name: score.flatten().cpu().numpy() for name, score in scores.items()}
        for window in self.windows.values():
            window.clear()
        headline = {name: scalars[tag] for name, tag in HEADLINE.items()}
        if objective.ceiling is not None:
            scalars["divergence/ceiling"] = objective.ceiling
        meanings = dict.fromkeys(histograms, f"{objective.score_name} of D")
        return Report(scalars, histograms, headline, meanings, trouble)

    def _gradient_norms(self) -> dict[str, float]:
        """Global norms of the last update's gradients; right after a resume, those the checkpoint brought."""
        if self.gradients is not None:
            self._norms = {
                "grad_norm/d": global_norm(self.gradients.d),
                "grad_norm/g": global_norm(self.gradients.g),
            }
        return self._norms

    @torch.no_grad()
    def preview(self) -> Preview:
        """Samples of the moving average from the run's fixed latents; one row a class, if there are classes."""
        return self._showcase.preview(self.average.network, self.discriminator, self._objective)

    @torch.no_grad()
    def samples(self, count: int) -> FloatArray:
        """Of the moving average, from latents of the run's seed: the same at every step."""
        return self._showcase.draw(self.average.network, count)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """D's logits, what penalties cost, then buffers, gradients, moments and weights of D, then those of G."""
        for name, window in {"D(x)": "real", "D(G(z))": "fake", "the penalty": "penalty"}.items():
            yield name, self.windows[window].values()
        gradients = self.gradients or Gradients([], [])
        yield from self._players[0].tensors(gradients.d)
        yield from self._players[1].tensors(gradients.g)

    def trouble(self) -> Trouble | None:
        """A loss that was not finite, or a tensor of the state that is not. Waits for the device."""
        averages = ((f"average of G's {name}", value) for name, value in self.average.network.state_dict().items())
        lasting = chain(*(player.lasting() for player in self._players), averages)
        found = self._soundness.trouble(self.progress.step + 1) or trouble_in(lasting)
        return next(filter(None, self.context.group.of_each(found)), None)

    def treat(self, treatment: Treatment) -> None:
        """Change both learning rates and the instance noise."""
        self.optimizer_g.scale(treatment.lr_g)
        self.optimizer_d.scale(treatment.lr_d)
        self._judge.add_sigma(treatment.sigma)
        self._run.forget()

    def state_dict(self) -> dict[str, Any]:
        """Weights, moving average, optimizers, random streams, sampler, accumulators and counters."""
        return {
            "classes": self.context.classes,
            "generator": self.generator.state_dict(),
            "average": self.average.network.state_dict(),
            "judge": self._judge.state_dict(),
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
            "random": {
                "global": self._global_random.state_dict(),
                "latents": self.latent_stream.get_state(),
                "penalty": self._penalty_stream.get_state(),
            },
            "sampler": self.sampler.state_dict(),
            "windows": {name: window.state_dict() for name, window in self.windows.items()},
            "progress": dataclasses.asdict(self.progress),
            "gradient_norms": self._gradient_norms(),
            "soundness": self._soundness.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; networks of another shape raise ``RuntimeError``."""
        self.generator.load_state_dict(state["generator"])
        self.average.network.load_state_dict(state["average"])
        self._judge.load_state_dict(state["judge"])
        self.optimizer_g.load_state_dict(state["optimizer_g"])
        self.optimizer_d.load_state_dict(state["optimizer_d"])
        self._global_random.load_state_dict(state["random"]["global"])
        self.latent_stream.set_state(state["random"]["latents"])
        self._penalty_stream.set_state(state["random"]["penalty"])
        self.sampler.load_state_dict(state["sampler"])
        for name, window in self.windows.items():
            window.load_state_dict(state["windows"][name])
        self.progress = Progress(**state["progress"])
        self._soundness.load_state_dict(state.get("soundness", {}))  # older checkpoints have none
        self._soundness.set_clock(self.progress.step)
        self._norms = dict(state["gradient_norms"])
        self.gradients = None
        self._run.forget()

    def close(self) -> None:
        """Stop the sampler's thread, if it has one."""
        self.sampler.close()
