"""SeqGAN: a generator of sequences of tokens, trained with D's scores as rewards (Yu et al. 2017, algorithm 1).

A step is a round of the present phase: an epoch of maximum likelihood, an epoch of D against G as it then is, or an
adversarial round, which is some updates of G and then some epochs of D.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Annotated, Any, ClassVar, TypeAlias, cast

import torch
from torch import Tensor

from gan_cli.algorithms.buffers import RingBuffer
from gan_cli.algorithms.context import Context
from gan_cli.algorithms.inspection import NetworkState, find_nonfinite
from gan_cli.algorithms.seqgan.discriminator import SequenceDiscriminatorTrainer, logit_buffers
from gan_cli.algorithms.seqgan.estimators import Estimator, GeneratorContext
from gan_cli.algorithms.seqgan.phases import Phase, Phases
from gan_cli.algorithms.seqgan.spec import SeqGANSpec
from gan_cli.algorithms.seqgan.statistics import distinct_metrics, nll_oracle, nll_test
from gan_cli.algorithms.update_scope import StepScope, UpdateScope
from gan_cli.architectures.language_model import LanguageModel, sample_sequences, token_mask, weighted_nll
from gan_cli.components.optimizers import OptimizerConfig
from gan_cli.components.ranges import CountOrNone, Positive, Range, check_arguments
from gan_cli.data.corpus import Corpus
from gan_cli.data.splits import selected_tokens
from gan_cli.errors import ConfigError
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.algorithm import NonFiniteReport, Report, RollbackAdjustment, Sentences
from gan_cli.protocols.architecture import SequenceArchitecture
from gan_cli.protocols.arrays import IntArray
from gan_cli.runtime.rng import RandomState, seeded_generator
from gan_cli.runtime.transfer import move_without_waiting

# Short name -> tag, for the progress line.
HEADLINE = {
    "NLL oracle": "metrics/nll_oracle",
    "NLL test": "metrics/nll_test",
    "loss D": "loss/d",
    "reward": "reward/mean",
}
# Most updates of G whose losses are kept for a report.
REPORT_CAPACITY = 4096
# Sequences that are sampled at a time.
BLOCK = 2048

UpdatesInRound: TypeAlias = Annotated[int, Range(1, 10_000)]


@dataclass(frozen=True)
class SeqGANProgress:
    """The progress of training: the number of the latest step, and real sequences used so far."""

    step: int = 0
    seen: int = 0


class SeqGAN(SeqGANSpec):
    """Trains a language model by maximum likelihood, then adversarially against a discriminator.

    Args:
        context: settings of the run.
        architecture: builds the language model and D.
        optimizer: of both; adversarial training starts a fresh one for G.
        corpus: training and held-out sequences.
        estimator: of G's gradient in adversarial training.
        objective: defines D's loss, and D's scores as G's rewards.
        mle_epochs: epochs of maximum likelihood; the paper has 120.
        d_pretraining: epochs of D before adversarial training; the paper has 150, with new negatives for every third.
        g_steps: updates of G in an adversarial round.
        d_steps: times in a round that new negatives are sampled for D.
        d_epochs: epochs of D over the same negatives.
        d_samples: real sequences in an epoch of D, resampled with each set of negatives, and the number of negatives.
        forget_every: rounds after which the moments of G's optimizer are reset; 0: never. Adam's first steps are as
            large for rare tokens as for the others, which lowers the probability of the former.
        lr_game: factor on G's learning rate in adversarial training.
        clip_norm: largest norm of G's gradient.
        temperature: divisor of G's logits in sampling, and in the likelihoods that are reported.
        measured: most sequences that are sampled for each report, and held-out ones that are scored.
    """

    def __init__(
        self,
        *,
        context: Context,
        architecture: SequenceArchitecture,
        optimizer: OptimizerConfig,
        corpus: Corpus,
        estimator: Estimator,
        objective: Objective,
        mle_epochs: CountOrNone = 120,
        d_pretraining: CountOrNone = 150,
        g_steps: UpdatesInRound = 1,
        d_steps: Annotated[int, Range(0, 10_000)] = 5,
        d_epochs: UpdatesInRound = 3,
        d_samples: Annotated[int, Range(1, 10_000_000)] = 10_000,
        forget_every: CountOrNone = 0,
        lr_game: Positive = 1.0,
        clip_norm: Positive = 5.0,
        temperature: Positive = 1.0,
        measured: Annotated[int, Range(1, 1_000_000)] = 2000,
    ) -> None:
        counts = {"mle_epochs": mle_epochs, "d_pretraining": d_pretraining, "forget_every": forget_every}
        of_round = {"g_steps": g_steps, "d_steps": d_steps, "d_epochs": d_epochs, "d_samples": d_samples}
        factors = {"lr_game": lr_game, "clip_norm": clip_norm, "temperature": temperature}
        check_arguments(SeqGAN, **counts, **of_round, **factors, measured=measured)
        if context.group.size > 1:
            raise ConfigError("algorithm=seqgan: trains in one process, got several")
        self.context = context
        self._corpus = corpus
        self._phases = Phases(mle_epochs, d_pretraining)
        self._g_steps, self._d_steps, self._d_epochs = g_steps, d_steps, d_epochs
        self._forget_every = forget_every
        self._temperature, self._num_measured = temperature, measured
        self._length = context.shape[0]
        device = context.device.torch_device
        self._train = torch.from_numpy(selected_tokens(corpus.train)).to(device)
        self._held_out = torch.from_numpy(selected_tokens(corpus.held_out)).to(device)
        self._d_samples = min(d_samples, len(self._train))
        torch.manual_seed(context.seed)
        self.generator = context.device.place(architecture.language_model(len(corpus.words)))
        self._language_model = cast(LanguageModel, self.generator)
        discriminator = architecture.discriminator(len(corpus.words), self._length)
        context.device.place(discriminator)
        self._losses, self._rewards = (RingBuffer(REPORT_CAPACITY, 1, device) for _ in range(2))
        scores = logit_buffers(context)
        self.step_scope = StepScope(context, {"loss": self._losses, "reward": self._rewards, **scores})
        self._discriminator_trainer = SequenceDiscriminatorTrainer(
            discriminator, optimizer, objective, self.step_scope, scores
        )
        parameters = list(self.generator.parameters())
        self._optimizer_mle, self._optimizer_adversarial = (optimizer.for_generator(parameters) for _ in range(2))
        self._optimizer_adversarial.scale(lr_game)
        self._scope_mle, self._scope_adversarial = (
            self.step_scope.update_scope("G", each, max_norm=clip_norm)
            for each in (self._optimizer_mle, self._optimizer_adversarial)
        )
        self._tokens = context.stream("tokens", context.batch_size)
        self._global_random = RandomState(device)
        self._gradient_estimator = estimator.bind(self._generator_context(objective))
        self._negatives = self._train[:0]
        self._norm = torch.zeros((), device=device)
        self.progress = SeqGANProgress()

    def _generator_context(self, objective: Objective) -> GeneratorContext:
        return GeneratorContext(
            generator=self._language_model,
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
        """Run one round of the phase that ``step`` belongs to."""
        phase, round_index = self._phases.at(step)
        for optimizer in (self._optimizer_mle, self._optimizer_adversarial, self._discriminator_trainer.optimizer):
            optimizer.set_step(step)
        self.step_scope.nonfinite_policy.set_step(step)
        with self.step_scope:
            used = self._rounds[phase](self, round_index)
        self.progress = SeqGANProgress(step, self.progress.seen + used)

    def _pretrain_generator_epoch(self, epoch: int) -> int:
        """Train G for an epoch of maximum likelihood over all training sequences, without an incomplete last batch."""
        size = min(self.context.batch_size, len(self._train))
        order = torch.randperm(len(self._train), generator=self._order(f"imitation {epoch}"))
        order = order[: len(order) // size * size]
        for rows in torch.split(move_without_waiting(order, self._train.device), size):
            tokens = self._train[rows]
            mask = token_mask(tokens, self._corpus.end)
            with self._scope_mle as scope:
                with self.context.device.precision():
                    loss, _ = weighted_nll(self._language_model, tokens, mask / mask.sum())
                self._step(scope, loss)
        return len(order)

    def _pretrain_discriminator_epoch(self, epoch: int) -> int:
        """Train D for an epoch, with new negatives for every ``d_epochs``-th one."""
        if epoch % self._d_epochs == 0:
            self._negatives = self._sample_sequences(self._d_samples)
        negatives_index = epoch // self._d_epochs
        return self._discriminator_epoch(f"judgement {negatives_index}", epoch % self._d_epochs)

    def _adversarial_round(self, round_index: int) -> int:
        """Run the updates of G, then the epochs of D."""
        if self._forget_every and round_index % self._forget_every == 0:
            self._optimizer_adversarial.reset_state()
        for _ in range(self._g_steps):
            with self._scope_adversarial as scope:
                with self.context.device.precision():
                    estimate = self._gradient_estimator.estimate(round_index)
                self._step(scope, estimate.loss, reward=estimate.reward[None])
        self._gradient_estimator.after_round()
        used = 0
        for index in range(self._d_steps):
            self._negatives = self._sample_sequences(self._d_samples)
            name = f"game {round_index} {index}"
            used += sum(self._discriminator_epoch(name, epoch) for epoch in range(self._d_epochs))
        return used

    _rounds: ClassVar[Mapping[Phase, Callable[[SeqGAN, int], int]]] = {
        Phase.mle: _pretrain_generator_epoch,
        Phase.discriminator: _pretrain_discriminator_epoch,
        Phase.adversarial: _adversarial_round,
    }

    def _discriminator_epoch(self, name: str, epoch: int) -> int:
        """Train D for an epoch over the present negatives and as many real sequences, chosen by the negatives' name."""
        rows = torch.randperm(len(self._train), generator=self._order(name))[: self._d_samples]
        real = self._train[move_without_waiting(rows, self._train.device)]
        self._discriminator_trainer.train_epoch(real, self._negatives, self._order(f"{name} epoch {epoch}"))
        return len(real)

    def _step(self, scope: UpdateScope, loss: Tensor, **rows: Tensor) -> None:
        scope.step(loss, loss=loss[None], **rows)
        self._norm = scope.norm

    def _order(self, name: str) -> torch.Generator:
        """Return a generator to shuffle data with: a function of the seed and of the name of their use."""
        return seeded_generator(self.context.seed, name, torch.device("cpu"))

    def _real_batch(self) -> Tensor:
        return self._train[self._tokens.integers(len(self._train), self.context.batch_size)]

    def _sample_sequences(self, count: int) -> Tensor:
        """Sample ``(count, T)`` tokens of G with the run's random stream."""
        with self.context.timer("data"):
            return self._sample_from_uniform(self._tokens.uniform(count, self._length))

    def _sample_from_uniform(self, uniform: Tensor) -> Tensor:
        blocks = torch.split(uniform, BLOCK)
        return torch.cat(
            [sample_sequences(self._language_model, block, self._corpus.end, self._temperature) for block in blocks]
        )

    def _sample_fixed(self, name: str, count: int) -> Tensor:
        """Sample ``(count, T)`` tokens of G with random numbers that are the same throughout the run."""
        device = self.context.device.torch_device
        generator = seeded_generator(self.context.seed, name, device)
        return self._sample_from_uniform(torch.rand(count, self._length, generator=generator, device=device))

    @torch.no_grad()
    def report(self) -> Report:
        """Compute metrics of the updates since the last report, and of fresh sequences of G. Waits for the device."""
        phase, _ = self._phases.at(self.progress.step)
        metrics = self._sample_metrics() | self._discriminator_trainer.metrics()
        for tag, ring_buffer in {"loss/g": self._losses, "reward/mean": self._rewards}.items():
            if len(values := ring_buffer.values()):
                metrics |= {tag: values.mean()}
            ring_buffer.clear()
        metrics["grad_norm/g"] = self._norm
        scalars, nonfinite = self.step_scope.read(metrics, self.progress.step)
        scalars["lr/g"] = (self._optimizer_adversarial if phase is Phase.adversarial else self._optimizer_mle).rate
        scalars["lr/d"] = self._discriminator_trainer.optimizer.rate
        scalars["phase"] = float(phase.value)
        if self._corpus.entropy is not None:
            scalars["diagnosis/oracle_entropy"] = self._corpus.entropy
        headline = {name: scalars[tag] for name, tag in HEADLINE.items() if tag in scalars}
        return Report(scalars, {}, headline, {}, nonfinite, self._phases.describe(self.progress.step))

    def _sample_metrics(self) -> dict[str, Tensor]:
        """Metrics of fresh sequences of G, with the same random numbers at every step, so that steps compare."""
        generated = self._sample_fixed("measured", self._num_measured)
        held_out = self._held_out[: self._num_measured]
        metrics: dict[str, Tensor] = {}
        if self._corpus.oracle is not None:
            metrics["metrics/nll_oracle"] = nll_oracle(self._corpus.oracle, generated)
        if len(held_out):
            metrics["metrics/nll_test"] = nll_test(self._language_model, held_out, self._corpus.end, self._temperature)
        real = held_out if len(held_out) else self._train[: self._num_measured]
        return metrics | distinct_metrics(generated, real, self._corpus.end)

    @torch.no_grad()
    def preview(self) -> Sentences:
        """Sample sentences with random numbers that are the same throughout the run."""
        tokens = self._sample_fixed("sentences", self.context.sample_count).cpu().numpy()
        return Sentences(self._corpus.train.to_sentences(tokens))

    @torch.no_grad()
    def samples(self, count: int) -> IntArray:
        """Sample ``(count, T)`` tokens with random numbers of the run's seed, the same ones at every step."""
        sampled: IntArray = self._sample_fixed("samples", count).cpu().numpy()
        return sampled

    @property
    def images_seen(self) -> int:
        """Real sequences used for training so far."""
        return self.progress.seen

    @property
    def _network_states(self) -> tuple[NetworkState, ...]:
        of_g = (
            NetworkState("G", self.generator, optimizer)
            for optimizer in (self._optimizer_mle, self._optimizer_adversarial)
        )
        return (self._discriminator_trainer.network_state, *of_g)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield buffers, gradients, moments and weights of D, then those of G."""
        for network_state in self._network_states:
            yield from network_state.tensors([parameter.grad for parameter in network_state.network.parameters()])

    def nonfinite(self) -> NonFiniteReport | None:
        """Find a loss that was not finite, or a tensor of the state that is not. Waits for the device."""
        lasting = chain.from_iterable(network_state.persistent_tensors() for network_state in self._network_states)
        return self.step_scope.nonfinite_policy.nonfinite(self.progress.step + 1) or find_nonfinite(lasting)

    def apply_adjustment(self, adjustment: RollbackAdjustment) -> None:
        """Scale the learning rates; there is no instance noise for sequences."""
        for optimizer in (self._optimizer_mle, self._optimizer_adversarial):
            optimizer.scale(adjustment.lr_g)
        self._discriminator_trainer.optimizer.scale(adjustment.lr_d)

    def state_dict(self) -> dict[str, Any]:
        """Return weights, words, optimizers, gradient estimator, random streams, negatives, ring buffers, counters."""
        return {
            "generator": self.generator.state_dict(),
            "words": list(self._corpus.words),
            "end": self._corpus.end,
            "between": self._corpus.train.between,
            # the next four keys and "soundness" are kept for checkpoints of earlier versions
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
            "soundness": self.step_scope.nonfinite_policy.state_dict(),
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
        self.step_scope.nonfinite_policy.load_state_dict(state["soundness"])
        self.step_scope.nonfinite_policy.set_step(self.progress.step)

    def close(self) -> None:
        """Do nothing: there are no threads or files."""
