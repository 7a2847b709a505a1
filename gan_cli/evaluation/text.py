"""Evaluation of generated sequences: metrics with their provenance."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, TypeAlias

import torch
from omegaconf import OmegaConf
from torch import Tensor

from gan_cli.algorithms.spec import spec_of
from gan_cli.config.extras import require_extra
from gan_cli.data.splits import selected_tokens, split_sequences
from gan_cli.errors import ConfigError
from gan_cli.evaluation.backbones.classifier_network import checksum
from gan_cli.evaluation.evaluator import Evaluation, OnStage, ignore_stage, versions
from gan_cli.evaluation.real_data import (
    ORDER_SEED,
    RealSequences,
    real_sequences,
    require_evaluation_memory,
    require_same_data,
)
from gan_cli.evaluation.standard_errors import deviation_over_halves
from gan_cli.inference.loading import CPU
from gan_cli.metrics.ngram_lm import DISCOUNT, ORDER, NGramModel
from gan_cli.metrics.registry import MIN_SAMPLES, Metric, Need, registered
from gan_cli.metrics.sentences import SentenceSets
from gan_cli.protocols.arrays import IntArray
from gan_cli.protocols.data import Dataset, KnownDistribution, Oracle, Sequences
from gan_cli.storage.stored_model import StoredModel

# Generated tokens (N, T), as many sequences as are asked for.
DrawTokens: TypeAlias = Callable[[int], IntArray]
# Tokens (N, T) on the device -> their negative log-likelihood in nats a token, (N,).
Likelihood: TypeAlias = Callable[[Tensor], Tensor]

# Sequences whose likelihood is computed at a time: logits of a large vocabulary take memory.
BATCH = 200


@dataclass(frozen=True)
class EvaluationSize:
    """Numbers of sequences in an evaluation.

    Attributes:
        count: number of generated sequences, 10 or more.
        hypotheses: number of these whose BLEU and self-BLEU are computed.
        references: number of held-out sequences that these are compared with.
    """

    count: int = 2000
    hypotheses: int = 500
    references: int = 1000


FULL_SIZE = EvaluationSize()
QUICK_SIZE = EvaluationSize(count=500, hypotheses=200, references=500)


class SequenceEvaluator:
    """Evaluator of sequences against real ones, whose n-gram model is fitted once."""

    def __init__(
        self,
        data: RealSequences,
        size: EvaluationSize,
        seed: int,
        known: KnownDistribution | None = None,
        device: torch.device = CPU,
    ) -> None:
        """Fit the language model of the real sequences.

        Args:
            data: real sequences by their role.
            size: numbers of sequences.
            seed: seed of the generated sequences, for the provenance.
            known: the dataset, if the distribution of its sequences is known.
            device: device on which likelihoods are computed.
        """
        if size.count < MIN_SAMPLES:
            raise ConfigError(f"expected at least {MIN_SAMPLES} samples to evaluate, got {size.count}")
        self.data = data
        self.size = size
        self.count = size.count
        self.seed = seed
        self._device = device
        self._entropy: float | None = None if known is None else known.entropy
        self._oracle: Oracle | None = None if known is None else known.oracle(device)
        self._model = NGramModel(data.reference, data.vocabulary, data.end)
        self._references = data.held_out[: size.references]

    def __call__(
        self, draw: DrawTokens, likelihood: Likelihood | None = None, *, errors_of: Collection[str] = ()
    ) -> Evaluation[IntArray]:
        """Draw sequences and measure them.

        Args:
            draw: draws the generated sequences.
            likelihood: the model's own NLL of sequences, if it has one: held-out ones are scored by it.
            errors_of: names of the metrics of generated sequences whose standard errors are estimated.

        Raises:
            ConfigError: the sequences are not of the data's length or vocabulary.
        """
        tokens = self._validated(draw(self.count))
        metrics = self._metrics(tokens, self.data.training)
        if likelihood is not None:
            metrics |= _computed("model_nll", self._nll(likelihood, self.data.held_out))
        errors = self._errors(tokens, errors_of) if errors_of else {}
        return Evaluation(metrics, self.provenance(len(tokens)), tokens, errors)

    def floor(self) -> dict[str, float]:
        """Return the same metrics for real sequences in the place of generated ones; ``nll_test`` is the entropy."""
        entropy = {} if self._entropy is None else {"nll_test": self._entropy}
        return {**self._metrics(self.data.floor_samples, self.data.reference), **entropy}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the metrics; the likelihood under the model is not among them, which is not known yet."""
        needs: list[Need] = ["sentences"] if self._oracle is None else ["oracle_nll", "sentences"]
        return tuple(info.name for need in needs for metric in registered(need) for info in metric.numbers)

    def provenance(self, generated: int) -> dict[str, Any]:
        """Return all that the metrics of that many generated sequences depend on, apart from the generator."""
        data, hypotheses = self.data, min(generated, self.size.hypotheses)
        return {
            "data": {
                "fingerprint": data.fingerprint,
                "held_out": data.held_out_origin,
                "floor": "training sentences apart from those compared with",
                "vocabulary": data.vocabulary,
            },
            "samples": {
                "generated": generated,
                "training": len(data.training),
                "held_out": len(data.held_out),
                "floor": len(data.floor_samples),
            },
            "seed": self.seed,
            "measures": {
                "bleu": {
                    "hypotheses": hypotheses,
                    "references": len(self._references),
                    "references_seed": ORDER_SEED,
                    "smoothing": "method1",
                },
                "self_bleu": {"hypotheses": hypotheses, "references": hypotheses - 1, "smoothing": "method1"},
                "perplexity": {
                    "model": "interpolated Kneser-Ney",
                    "order": ORDER,
                    "discount": DISCOUNT,
                    "forward_fitted_to": data.num_reference,
                    "backward_fitted_to": generated,
                },
            },
            "versions": {**versions(), "nltk": version("nltk")},
        }

    def _metrics(self, tokens: IntArray, training: IntArray) -> dict[str, float]:
        """Return the metrics of sequences, generated or real, with respect to the training sequences."""
        oracle = {} if self._oracle is None else _computed("oracle_nll", self._nll(self._oracle.nll, tokens))
        return {**oracle, **_computed("sentences", self._sets(tokens, training, self.size.hypotheses))}

    def _sets(self, tokens: IntArray, training: IntArray, hypotheses: int) -> SentenceSets:
        """Return what metrics of sequences are computed from, with the first ones as hypotheses of BLEU."""
        data = self.data
        return SentenceSets(
            generated=tokens,
            hypotheses=tokens[:hypotheses],
            training=training,
            held_out=data.held_out,
            references=self._references,
            model=self._model,
            vocabulary=data.vocabulary,
            end=data.end,
        )

    def _errors(self, tokens: IntArray, names: Collection[str]) -> dict[str, float]:
        """Return the standard errors of some metrics of generated sequences, by name."""
        needs: list[Need] = ["sentences"] if self._oracle is None else ["oracle_nll", "sentences"]
        metrics = [each for need in needs for each in registered(need) if _has_any(each, names)]

        def numbers_of(rows: IntArray) -> dict[str, float]:
            half, found = tokens[rows], dict[str, float]()
            for metric in metrics:
                inputs: Tensor | SentenceSets
                if metric.needs == "oracle_nll":
                    assert self._oracle is not None
                    inputs = self._nll(self._oracle.nll, half)
                else:
                    inputs = self._sets(half, self.data.training, max(2, self.size.hypotheses // 2))
                found |= {name: float(value) for name, value in metric.compute(inputs).items()}
            return found

        found = deviation_over_halves(numbers_of, len(tokens))
        return {name: error for name, error in found.items() if name in names}

    def _nll(self, likelihood: Likelihood, tokens: IntArray) -> Tensor:
        """Return the NLL of sequences in nats a token, ``(N,)``."""
        with torch.no_grad():
            parts = [likelihood(part.to(self._device)).cpu() for part in torch.split(torch.from_numpy(tokens), BATCH)]
        return torch.cat(parts)

    def _validated(self, tokens: IntArray) -> IntArray:
        length, vocabulary = self.data.training.shape[1], self.data.vocabulary
        if tokens.shape[1:] != (length,) or tokens.dtype.kind not in "iu":
            raise ConfigError(f"expected tokens of shape (N, {length}), got {tokens.dtype} of shape {tokens.shape}")
        if not 0 <= int(tokens.min()) <= int(tokens.max()) < vocabulary:
            raise ConfigError(f"expected tokens from 0 to {vocabulary - 1}, got {tokens.min()} to {tokens.max()}")
        return tokens


def _has_any(metric: Metric, names: Collection[str]) -> bool:
    return any(info.name in names for info in metric.numbers)


def _computed(needs: Need, inputs: Tensor | SentenceSets) -> dict[str, float]:
    """Compute all metrics with one need from its inputs, and return the numbers by name."""
    return {name: float(value) for metric in registered(needs) for name, value in metric.compute(inputs).items()}


def sequence_evaluator(
    dataset: Dataset,
    source: Sequences,
    share: float,
    seed: int = 0,
    size: EvaluationSize = FULL_SIZE,
    count: int | None = None,
    device: torch.device = CPU,
) -> SequenceEvaluator:
    """Build the evaluator of sequences of a generator that learned a dataset.

    Args:
        dataset: the dataset that was learned.
        source: its data, as loaded.
        share: share of the data that was not trained on.
        seed: seed of the generated sequences.
        size: numbers of sequences; ``QUICK_SIZE`` while a run trains.
        count: number of generated sequences; None: that of ``size``, but at most half of the training sequences, so
            that as many real ones are left for the floor.
        device: device on which likelihoods are computed.

    Raises:
        ConfigError: there are too few sequences.
    """
    half = len(selected_tokens(split_sequences(source, share).train)) // 2
    wanted = max(MIN_SAMPLES, min(size.count, half)) if count is None else count
    require_evaluation_memory(wanted, dataset.shape)
    data, known = real_sequences(source, wanted, share), dataset if isinstance(dataset, KnownDistribution) else None
    return SequenceEvaluator(data, replace(size, count=wanted), seed, known, device)


def evaluate_text(
    stored: StoredModel,
    count: int | None,
    seed: int,
    device: torch.device,
    *,
    allow_changed_data: bool = False,
    on_stage: OnStage = ignore_stage,
) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
    """Return the metrics of the language model of a stored model, their floor, and the provenance.

    Args:
        stored: a run's checkpoint, or another stored model.
        count: number of sequences to generate; None: 2,000, or half of the data.
        seed: seed of the generated sequences.
        device: device on which the language model computes.
        allow_changed_data: accept other data of the same words than the run was trained on, with a warning.
        on_stage: called with what is about to be computed.

    Raises:
        ConfigError: nltk is not installed; no run directory, no checkpoint; or the data have other words now.
        DataError: the data cannot be read, or are others than the run was trained on.
    """
    require_extra("metrics of text", "text")
    on_stage("loading the run and its data")
    trained = spec_of(stored).load_text_sampler(stored)
    source = trained.dataset.load()
    assert isinstance(source, Sequences)
    require_same_data(trained.data, source, allow_changed_data)
    if source.words != trained.vocabulary.words:
        raise ConfigError(f"the data of {stored.path} have other words now than when it was trained")
    share = float(OmegaConf.select(stored.stored_config(), "train.held_out") or 0)
    evaluator = sequence_evaluator(trained.dataset, source, share, seed, count=count, device=device)
    trained.network.to(device)
    on_stage(f"{', '.join(evaluator.names)} of {evaluator.count:,} generated sequences")
    evaluation = evaluator(lambda wanted: trained.sample(wanted, seed), trained.nll)
    facts = {
        "run": str(stored.path),
        "checkpoint": f"checkpoints/step_{trained.step:08d}.pt",
        "step": trained.step,
        "checksum": checksum(trained.network.state_dict()),
        "device": device.type,
    }
    data = {"name": type(trained.dataset).__name__, **evaluation.provenance["data"]}
    on_stage("the same metrics of real sequences")
    return dict(evaluation.metrics), evaluator.floor(), {"generator": facts, **evaluation.provenance, "data": data}
