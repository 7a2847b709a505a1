"""SeqGAN: sequences of tokens from a generator that D's judgement teaches (Yu et al. 2017, algorithm 1).

A step is a round of the present phase: an epoch of maximum likelihood, an epoch of D against G as it then is, or a
round of the game, which is some updates of G and then some epochs of D.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from itertools import chain
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from gan_cli.algorithms.buffers import RingBuffer
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.inspection import NetworkState, find_nonfinite
from gan_cli.algorithms.seqgan.corpus import Corpus
from gan_cli.algorithms.seqgan.discriminator import SequenceDiscriminatorTrainer
from gan_cli.algorithms.seqgan.estimators import Estimator, GeneratorContext
from gan_cli.algorithms.seqgan.statistics import distinct_metrics, nll_oracle, nll_test
from gan_cli.algorithms.spec import Outline, Sizes
from gan_cli.architectures.language_model import LanguageModel, sample_sequences, token_mask, weighted_nll
from gan_cli.components.optimizers import OptimizerConfig, ScheduledOptimizer
from gan_cli.config.diagnostics import DiagnosticsSection
from gan_cli.config.schema import Config, LossSection
from gan_cli.data.splits import selected_tokens
from gan_cli.diagnostics.rules import AlarmRule
from gan_cli.diagnostics.text_rules import sequence_alarm_rules
from gan_cli.errors import ConfigError, require
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.algorithm import NonFiniteReport, Report, RollbackAdjustment, Sentences
from gan_cli.protocols.architecture import SequenceArchitecture
from gan_cli.protocols.arrays import IntArray
from gan_cli.protocols.data import Sequences
from gan_cli.runtime.rng import RandomState, seeded_generator

# Short name -> tag, for the progress line.
HEADLINE = {"oracle": "metrics/nll_oracle", "test": "metrics/nll_test", "loss D": "loss/d", "reward": "reward/mean"}
# Updates of G whose losses are kept for a report, at most.
REPORT_CAPACITY = 4096
# Sequences written at a time.
BLOCK = 2048


@dataclass(frozen=True)
class SeqGANProgress:
    """How far a run has come: the number of its latest step, and real sequences used so far."""

    step: int = 0
    seen: int = 0


class Phase(Enum):
    """What is trained; the value is what ``phase`` says of it."""

    mle = 0
    discriminator = 1
    adversarial = 2


@dataclass(frozen=True)
class Phases:
    """First G alone, then D alone, then both.

    Attributes:
        mle: steps of G alone, an epoch of maximum likelihood each.
        discriminator: steps of D alone, an epoch each.
    """

    mle: int
    discriminator: int

    def at(self, step: int) -> tuple[Phase, int]:
        """The phase of ``step``, and how many steps of that phase went before."""
        if step < self.mle:
            return Phase.mle, step
        if step < self.mle + self.discriminator:
            return Phase.discriminator, step - self.mle
        return Phase.adversarial, step - self.mle - self.discriminator


class SeqGAN:
    """A writer taught by likelihood, then by a reader.

    Args:
        context: the circumstances.
        architecture: writer and reader.
        optimizer: of both; the game starts a fresh one for G.
        corpus: what there is to learn.
        estimator: the way to G's gradient in the game.
        objective: what D's logits mean, and so what G is rewarded with.
        mle_epochs: epochs of maximum likelihood; the paper has 120.
        d_pretraining: epochs of D before the game; the paper has 150, with new negatives for every third.
        g_steps: updates of G in a round of the game.
        d_steps: how often in a round D gets new negatives.
        d_epochs: epochs of D over the same negatives.
        d_samples: real sequences in an epoch of D, drawn anew with each lot of negatives, of which there are as many.
        forget_every: rounds after which G's optimizer forgets its moments; 0: never. Adam's first steps are as large
            for tokens that are hardly ever written as for the others, which takes weight off the former.
        lr_game: factor on G's learning rate in the game.
        clip_norm: largest norm of G's gradient.
        temperature: that the logits are divided by when G writes, and where its likelihoods are measured.
        measured: sequences written for each report, and held-out ones scored, at most.
    """

    supported_data: ClassVar = (Sequences,)
    supported_settings: ClassVar = frozenset[str]()
    charts: ClassVar[Mapping[str, Sequence[str]]] = {
        "Do G's sequences look real to the oracle, and real ones likely to G?": (
            "metrics/nll_oracle",
            "metrics/nll_test",
            "diagnosis/oracle_entropy",
        ),
        "Does G repeat itself?": ("diagnosis/distinct_1", "diagnosis/distinct_2", "diagnosis/distinct_2_real"),
        "Who is ahead?": ("d_real/mean", "d_fake/mean", "reward/mean"),
    }
    notes: ClassVar[Mapping[str, str]] = {
        "metrics/nll_oracle": "What the oracle says of G's sequences, in nats a token; lower is better, down to"
        " diagnosis/oracle_entropy. Below that G has collapsed.",
        "metrics/nll_test": "What G says of held-out sequences, in nats a token; it rises where G covers less.",
        "diagnosis/oracle_entropy": "What the oracle's own sequences score, in nats a token.",
        "diagnosis/distinct_2": "Different pairs of neighbours among all that G wrote, as a share.",
        "reward/mean": "What D says of the sequences that G learns from.",
        "phase": "0: G learns by likelihood; 1: D learns; 2: the game.",
    }
    hparam_metrics: ClassVar[tuple[str, ...]] = ("metrics/nll_oracle", "metrics/nll_test", "diagnosis/distinct_2")

    def __init__(
        self,
        *,
        context: Context,
        architecture: SequenceArchitecture,
        optimizer: OptimizerConfig,
        corpus: Corpus,
        estimator: Estimator,
        objective: Objective,
        mle_epochs: int = 120,
        d_pretraining: int = 150,
        g_steps: int = 1,
        d_steps: int = 5,
        d_epochs: int = 3,
        d_samples: int = 10_000,
        forget_every: int = 0,
        lr_game: float = 1.0,
        clip_norm: float = 5.0,
        temperature: float = 1.0,
        measured: int = 2000,
    ) -> None:
        counts = {"mle_epochs": mle_epochs, "d_pretraining": d_pretraining, "d_steps": d_steps}
        for key, value in {**counts, "forget_every": forget_every}.items():
            require(value >= 0, key, value, "an integer >= 0")
        for key, value in {"g_steps": g_steps, "d_epochs": d_epochs, "d_samples": d_samples}.items():
            require(value >= 1, key, value, "an integer >= 1")
        require(measured >= 1, "measured", measured, "an integer >= 1")
        for key, size in {"lr_game": lr_game, "clip_norm": clip_norm, "temperature": temperature}.items():
            require(size > 0, key, size, "a number > 0")
        if context.group.size > 1:
            raise ConfigError("algorithm=seqgan: trains in one process, got several")
        self.context = context
        self._corpus = corpus
        self._phases = Phases(mle_epochs, d_pretraining)
        self._g_steps, self._d_steps, self._d_epochs = g_steps, d_steps, d_epochs
        self._forget_every = forget_every
        self._clip_norm, self._temperature, self._num_measured = clip_norm, temperature, measured
        self._length = context.shape[0]
        device = context.device.torch_device
        self._train = torch.from_numpy(selected_tokens(corpus.train)).to(device)
        self._held_out = torch.from_numpy(selected_tokens(corpus.held_out)).to(device)
        self._d_samples = min(d_samples, len(self._train))
        torch.manual_seed(context.seed)
        self.generator = context.device.place(architecture.language_model(len(corpus.words)))
        self._writer = cast(LanguageModel, self.generator)
        reader = architecture.discriminator(len(corpus.words), self._length)
        context.device.place(reader)
        self._nonfinite_policy = context.nonfinite_policy(device)
        self._discriminator_trainer = SequenceDiscriminatorTrainer(
            reader, optimizer, objective, context, self._nonfinite_policy
        )
        parameters = list(self.generator.parameters())
        self._optimizer_mle, self._optimizer_adversarial = (optimizer.for_generator(parameters) for _ in range(2))
        self._optimizer_adversarial.scale(lr_game)
        self._tokens = context.stream("tokens", context.batch_size)
        self._global_random = RandomState(device)
        self._gradient_estimator = estimator.bind(self._generator_context(objective))
        self._negatives = self._train[:0]
        self._losses = RingBuffer(REPORT_CAPACITY, 1, device)
        self._rewards = RingBuffer(REPORT_CAPACITY, 1, device)
        self._norm = torch.zeros((), device=device)
        self.progress = SeqGANProgress()

    def _generator_context(self, objective: Objective) -> GeneratorContext:
        return GeneratorContext(
            writer=self._writer,
            discriminator=self._discriminator_trainer.score,
            objective=objective,
            real=self._real_batch,
            batch_size=self.context.batch_size,
            length=self._length,
            end=self._corpus.end,
            temperature=self._temperature,
            random=self._tokens,
        )

    def update(self, step: int) -> None:
        """One round of the phase that ``step`` belongs to."""
        phase, round_ = self._phases.at(step)
        for optimizer in (self._optimizer_mle, self._optimizer_adversarial, self._discriminator_trainer.optimizer):
            optimizer.set_step(step)
        self._nonfinite_policy.set_step(step)
        used = self._rounds[phase](self, round_)
        self._nonfinite_policy.finish_step()
        self.progress = SeqGANProgress(step, self.progress.seen + used)

    def _pretrain_generator_epoch(self, epoch: int) -> int:
        """An epoch of maximum likelihood over all training sequences; what does not fill a batch is left out."""
        size = min(self.context.batch_size, len(self._train))
        places = torch.randperm(len(self._train), generator=self._order(f"imitation {epoch}"))
        places = places[: len(places) // size * size].to(self._train.device)
        for chosen in torch.split(places, size):
            tokens = self._train[chosen]
            shares = token_mask(tokens, self._corpus.end)
            with self.context.timer("G"), self.context.device.precision():
                loss, _ = weighted_nll(self._writer, tokens, shares / shares.sum())
            self._update_generator(self._optimizer_mle, loss)
        return len(places)

    def _pretrain_discriminator_epoch(self, epoch: int) -> int:
        """An epoch of D; G writes new negatives for every so many-th."""
        if epoch % self._d_epochs == 0:
            self._negatives = self._sample_sequences(self._d_samples)
        lot = epoch // self._d_epochs
        return self._discriminator_epoch(f"judgement {lot}", epoch % self._d_epochs)

    def _adversarial_round(self, round_: int) -> int:
        """Updates of G, then epochs of D."""
        if self._forget_every and round_ % self._forget_every == 0:
            self._optimizer_adversarial.reset_state()
        for _ in range(self._g_steps):
            with self.context.timer("G"), self.context.device.precision():
                estimate = self._gradient_estimator.estimate(round_)
            self._update_generator(self._optimizer_adversarial, estimate.loss)
            self._rewards.add(estimate.reward.reshape(1, 1))
        self._gradient_estimator.after_round()
        used = 0
        for lot in range(self._d_steps):
            self._negatives = self._sample_sequences(self._d_samples)
            used += sum(self._discriminator_epoch(f"game {round_} {lot}", epoch) for epoch in range(self._d_epochs))
        return used

    _rounds: ClassVar[Mapping[Phase, Callable[[SeqGAN, int], int]]] = {
        Phase.mle: _pretrain_generator_epoch,
        Phase.discriminator: _pretrain_discriminator_epoch,
        Phase.adversarial: _adversarial_round,
    }

    def _discriminator_epoch(self, lot: str, epoch: int) -> int:
        """An epoch of D over the present negatives and as many real sequences, the same ones for a lot."""
        chosen = torch.randperm(len(self._train), generator=self._order(lot))[: self._d_samples]
        real = self._train[chosen.to(self._train.device)]
        self._discriminator_trainer.train_epoch(real, self._negatives, self._order(f"{lot} epoch {epoch}"))
        return len(real)

    def _update_generator(self, optimizer: ScheduledOptimizer, loss: Tensor) -> None:
        optimizer.differentiate(loss)
        self._norm = nn.utils.clip_grad_norm_(optimizer.parameters, self._clip_norm).detach()
        with self.context.timer("optimizer"):
            self._nonfinite_policy.step("G", optimizer, loss.detach())
        self._losses.add(loss.detach().reshape(1, 1))

    def _order(self, name: str) -> torch.Generator:
        """What data are shuffled by: a function of the seed and of what they are for."""
        return seeded_generator(self.context.seed, name, torch.device("cpu"))

    def _real_batch(self) -> Tensor:
        return self._train[self._tokens.integers(len(self._train), self.context.batch_size)]

    def _sample_sequences(self, count: int) -> Tensor:
        """``(count, T)`` of G's, from the run's stream."""
        with self.context.timer("data"):
            return self._sample_from_uniform(self._tokens.uniform(count, self._length))

    def _sample_from_uniform(self, uniform: Tensor) -> Tensor:
        blocks = torch.split(uniform, BLOCK)
        return torch.cat(
            [sample_sequences(self._writer, block, self._corpus.end, self._temperature) for block in blocks]
        )

    def _sample_fixed(self, name: str, count: int) -> Tensor:
        """``(count, T)`` of G's, from numbers that stay the same throughout the run."""
        device = self.context.device.torch_device
        numbers = seeded_generator(self.context.seed, name, device)
        return self._sample_from_uniform(torch.rand(count, self._length, generator=numbers, device=device))

    @torch.no_grad()
    def report(self) -> Report:
        """Figures of the updates since the last report, and of sequences that G writes now."""
        phase, _ = self._phases.at(self.progress.step)
        metrics = self._sample_metrics() | self._discriminator_trainer.metrics() | self._nonfinite_policy.metrics()
        for tag, window in {"loss/g": self._losses, "reward/mean": self._rewards}.items():
            if len(values := window.values()):
                metrics |= {tag: values.mean()}
            window.clear()
        metrics["grad_norm/g"] = self._norm
        # The one place where training waits for the device: a single transfer for all figures.
        numbers = torch.stack([figure.float() for figure in metrics.values()]).tolist()
        scalars = dict(zip(metrics, numbers, strict=True))
        nonfinite = self._nonfinite_policy.flush(self.progress.step + 1, scalars)
        scalars["lr/g"] = (self._optimizer_adversarial if phase is Phase.adversarial else self._optimizer_mle).rate
        scalars["lr/d"] = self._discriminator_trainer.optimizer.rate
        scalars["phase"] = float(phase.value)
        if self._corpus.entropy is not None:
            scalars["diagnosis/oracle_entropy"] = self._corpus.entropy
        headline = {name: scalars[tag] for name, tag in HEADLINE.items() if tag in scalars}
        return Report(scalars, {}, headline, {}, nonfinite)

    def _sample_metrics(self) -> dict[str, Tensor]:
        """Of sequences that G writes now, from the same numbers at every step, so that steps compare."""
        written, held = self._sample_fixed("measured", self._num_measured), self._held_out[: self._num_measured]
        metrics: dict[str, Tensor] = {}
        if self._corpus.oracle is not None:
            metrics["metrics/nll_oracle"] = nll_oracle(self._corpus.oracle, written)
        if len(held):
            metrics["metrics/nll_test"] = nll_test(self._writer, held, self._corpus.end, self._temperature)
        real = held if len(held) else self._train[: self._num_measured]
        return metrics | distinct_metrics(written, real, self._corpus.end)

    @torch.no_grad()
    def preview(self) -> Sentences:
        """Sentences from numbers that stay the same throughout the run."""
        tokens = self._sample_fixed("sentences", self.context.sample_count).cpu().numpy()
        return Sentences(self._corpus.train.written(tokens))

    @torch.no_grad()
    def samples(self, count: int) -> IntArray:
        """``(count, T)`` tokens, from numbers of the run's seed: the same at every step."""
        drawn: IntArray = self._sample_fixed("samples", count).cpu().numpy()
        return drawn

    @property
    def images_seen(self) -> int:
        """Real sequences used so far."""
        return self.progress.seen

    @property
    def _network_states(self) -> tuple[NetworkState, ...]:
        of_g = (
            NetworkState("G", self.generator, optimizer)
            for optimizer in (self._optimizer_mle, self._optimizer_adversarial)
        )
        return (self._discriminator_trainer.network_state, *of_g)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Buffers, gradients, moments and weights of D, then those of G."""
        for network_state in self._network_states:
            yield from network_state.tensors([parameter.grad for parameter in network_state.network.parameters()])

    def nonfinite(self) -> NonFiniteReport | None:
        """A loss that was not finite, or a tensor of the state that is not. Waits for the device."""
        lasting = chain.from_iterable(network_state.persistent_tensors() for network_state in self._network_states)
        return self._nonfinite_policy.nonfinite(self.progress.step + 1) or find_nonfinite(lasting)

    def apply_adjustment(self, adjustment: RollbackAdjustment) -> None:
        """Change the learning rates; there is no instance noise to sequences."""
        for optimizer in (self._optimizer_mle, self._optimizer_adversarial):
            optimizer.scale(adjustment.lr_g)
        self._discriminator_trainer.optimizer.scale(adjustment.lr_d)

    def state_dict(self) -> dict[str, Any]:
        """Weights, words, optimizers, the source of estimates, random streams, negatives, accumulators, counters."""
        return {
            "generator": self.generator.state_dict(),
            "words": list(self._corpus.words),
            "end": self._corpus.end,
            "between": self._corpus.train.between,
            "examiner": self._discriminator_trainer.state_dict(),
            "imitating": self._optimizer_mle.state_dict(),
            "playing": self._optimizer_adversarial.state_dict(),
            "source": self._gradient_estimator.state_dict(),
            "negatives": self._negatives.clone(),
            "random": {"global": self._global_random.state_dict(), "tokens": self._tokens.get_state()},
            "losses": self._losses.state_dict(),
            "rewards": self._rewards.state_dict(),
            "gradient_norm": self._norm.clone(),
            "progress": asdict(self.progress),
            "soundness": self._nonfinite_policy.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; networks of another shape raise ``RuntimeError``."""
        self.generator.load_state_dict(state["generator"])
        self._discriminator_trainer.load_state_dict(state["examiner"])
        self._optimizer_mle.load_state_dict(state["imitating"])
        self._optimizer_adversarial.load_state_dict(state["playing"])
        self._gradient_estimator.load_state_dict(state["source"])
        self._negatives = state["negatives"].to(self._train.device)
        self._global_random.load_state_dict(state["random"]["global"])
        self._tokens.set_state(state["random"]["tokens"])
        self._losses.load_state_dict(state["losses"])
        self._rewards.load_state_dict(state["rewards"])
        self._norm = state["gradient_norm"].to(self._norm.device)
        self.progress = SeqGANProgress(**state["progress"])
        self._nonfinite_policy.load_state_dict(state["soundness"])
        self._nonfinite_policy.set_step(self.progress.step)

    def close(self) -> None:
        """Nothing to let go of."""

    @classmethod
    def outline(cls, architecture: SequenceArchitecture, sizes: Sizes) -> Outline:
        """Writer and reader, and a pass of two sequences through both."""
        (length,) = sizes.shape
        writer, reader = (
            architecture.language_model(sizes.vocabulary),
            architecture.discriminator(sizes.vocabulary, length),
        )
        tokens = torch.zeros(2, length, dtype=torch.int64)
        return Outline({"generator": writer, "discriminator": reader}, lambda: (writer(tokens), reader(tokens)))

    @classmethod
    def check(cls, config: Config, loss: LossSection, outline: Outline) -> None:
        """Whatever fits sequences by itself goes together."""

    @classmethod
    def reports(cls, loss: LossSection) -> frozenset[str]:
        """Both likelihoods."""
        return frozenset(("metrics/nll_oracle", "metrics/nll_test"))

    @classmethod
    def alarm_rules(cls, limits: DiagnosticsSection, loss: object) -> list[AlarmRule]:
        """Alarms of sequences."""
        return sequence_alarm_rules(limits)
