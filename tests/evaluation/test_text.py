"""The evaluation of sentences: which figures there are, and what they make of copies, of collapse and of real text."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_cli.data.splits import selected_tokens, split_sequences
from gan_cli.datasets.text import Text
from gan_cli.errors import ConfigError
from gan_cli.evaluation.document import document, table
from gan_cli.evaluation.real_data import real_sequences
from gan_cli.evaluation.text import FULL_SIZE, QUICK_SIZE, EvaluationSize, SequenceEvaluator, sequence_evaluator
from gan_cli.metrics.bleu import ORDERS
from gan_cli.metrics.directions import direction
from gan_cli.metrics.registry import metric_infos
from gan_cli.metrics.sentences import DISTINCT_ORDERS
from gan_cli.protocols.arrays import FloatArray, IntArray
from gan_cli.protocols.data import Dataset, KnownDistribution, Sequences

VOCABULARY, LENGTH, SHARE = 30, 9, 0.1
CPU = torch.device("cpu")
SMALL = EvaluationSize(count=60, hypotheses=40, references=50)
FIGURES = {
    *(f"{name}_{n}" for name in ("bleu", "self_bleu") for n in ORDERS),
    *(f"distinct_{n}" for n in DISTINCT_ORDERS),
    *("backward_perplexity", "forward_perplexity", "verbatim", "repeated"),
}


def walks(count: int, seed: int) -> IntArray:
    """Sentences of at least four words in which some words follow others more often, ended by 0."""
    source = np.random.default_rng(seed)
    steps = np.concatenate([source.integers(0, 29, (count, 1)), source.geometric(0.6, (count, LENGTH - 1))], axis=1)
    words = 1 + steps.cumsum(axis=1) % (VOCABULARY - 1)
    return np.where(np.arange(LENGTH) < source.integers(4, LENGTH + 1, count)[:, None], words, 0)


class Uniform:
    """An oracle to which every token is as likely."""

    def nll(self, tokens: Tensor) -> Tensor:
        """Log of the vocabulary."""
        assert len(tokens) <= 200
        return torch.full((len(tokens),), float(np.log(VOCABULARY)))


@dataclass(frozen=True)
class Walks:
    """A dataset of walks, of which all is known but how they come about."""

    licence = "Free of rights."
    count: int = 400

    @property
    def shape(self) -> tuple[int, ...]:
        return (LENGTH,)

    @property
    def classes(self) -> int:
        return 0

    @property
    def entropy(self) -> float:
        return 1.25

    def oracle(self, device: torch.device) -> Uniform:
        return Uniform()

    def load(self) -> Sequences:
        return Sequences(walks(self.count, 0), ("", *map(str, range(1, VOCABULARY))), 0)

    def coordinates(self, samples: FloatArray) -> FloatArray:
        return samples


def evaluator(dataset: Dataset | None = None, size: EvaluationSize = SMALL) -> SequenceEvaluator:
    known = dataset if isinstance(dataset, KnownDistribution) else None
    return SequenceEvaluator(real_sequences(Walks().load(), size.count, SHARE), size, 3, known)


def test_all_figures_are_there_and_every_one_has_a_meaning() -> None:
    found = evaluator()(lambda count: walks(count, 1))
    assert set(found.metrics) == FIGURES
    everything = evaluator(Walks())(lambda count: walks(count, 1), lambda tokens: tokens[:, 0].float() * 0 + 2.5)
    assert set(everything.metrics) == FIGURES | {"nll_oracle", "nll_test"}
    assert everything.metrics["nll_oracle"] == pytest.approx(np.log(VOCABULARY))
    assert everything.metrics["nll_test"] == 2.5
    assert all(metric_infos()[name].description for name in everything.metrics)
    assert all(np.isfinite(value) for value in everything.metrics.values())
    assert found.samples.shape == (60, LENGTH)


def test_directions() -> None:
    assert [direction(f"metrics/{name}") for name in ("bleu_4", "backward_perplexity", "nll_oracle", "nll_test")] == [
        *(1, -1, -1, -1)
    ]
    assert [direction(name) for name in ("self_bleu_3", "distinct_1", "forward_perplexity", "repeated")] == [0] * 4


def test_floor_is_what_real_sentences_score_and_fresh_ones_come_near_it() -> None:
    measure = evaluator(Walks())
    floor = measure.floor()
    assert set(floor) == FIGURES | {"nll_oracle", "nll_test"}
    assert floor["nll_test"] == 1.25
    fresh = measure(lambda count: walks(count, 7)).metrics
    for name in ("bleu_2", "self_bleu_2", "distinct_2", "backward_perplexity", "forward_perplexity"):
        assert fresh[name] == pytest.approx(floor[name], rel=0.15), name
    assert floor["verbatim"] < 0.1


def test_copies_collapse_and_noise_score_unlike_real_sentences() -> None:
    measure, real = evaluator(), selected_tokens(split_sequences(Walks().load(), SHARE).train)
    floor = measure.floor()
    copies = measure(lambda count: real[:count]).metrics
    assert (copies["verbatim"], copies["repeated"]) == (1, 0)
    collapsed = measure(lambda count: real[:1].repeat(count, 0)).metrics
    assert collapsed["repeated"] == pytest.approx(59 / 60)
    assert collapsed["self_bleu_2"] == pytest.approx(1)
    assert collapsed["backward_perplexity"] > 2 * floor["backward_perplexity"]
    assert collapsed["distinct_2"] < floor["distinct_2"] / 4
    noise = measure(lambda count: np.random.default_rng(0).integers(1, VOCABULARY, (count, LENGTH))).metrics
    assert noise["bleu_3"] < floor["bleu_3"] / 1.5
    assert noise["self_bleu_3"] < floor["self_bleu_3"]
    assert noise["forward_perplexity"] > 2 * floor["forward_perplexity"]
    assert noise["backward_perplexity"] > 1.5 * floor["backward_perplexity"]


def test_figures_are_the_same_each_time() -> None:
    first, second = (evaluator()(lambda count: walks(count, 1)) for _ in range(2))
    assert first.metrics == second.metrics
    assert first.provenance == second.provenance


def test_generated_and_floor_sentences_are_as_many() -> None:
    """Distinct-n and self-BLEU of different numbers do not compare."""
    data = real_sequences(Walks().load(), 60, SHARE)
    assert (len(data.training), data.num_reference, len(data.floor_samples), len(data.held_out)) == (360, 300, 60, 40)
    assert np.array_equal(np.concatenate([data.reference, data.floor_samples]), data.training)
    assert sequence_evaluator(Walks(), Walks().load(), SHARE).count == 180
    assert sequence_evaluator(Walks(), Walks().load(), SHARE, size=SMALL).count == 60
    assert sequence_evaluator(Walks(), Walks().load(), SHARE, count=200).count == 200


def test_without_held_out_sentences_training_ones_stand_in() -> None:
    found = evaluator(size=SMALL)
    data = real_sequences(Walks(50).load(), 20, SHARE)  # five are not worth holding out
    assert (len(data.training), len(data.held_out)) == (50, 30)
    assert data.held_out_origin == "training sentences: none are held out"
    assert found.data.held_out_origin == "share 0.1 of the data that was never trained on"


def test_table_and_document_tell_where_figures_come_from() -> None:
    measure = evaluator(Walks())
    found = measure(lambda count: walks(count, 1))
    provenance = {"generator": {"run": "here"}, **found.provenance}
    provenance["data"] = {"name": "Walks", **provenance["data"]}
    whole = document(found.metrics, measure.floor(), provenance)
    assert json.loads(json.dumps(whole)) == whole
    lines = table(whole).splitlines()
    assert lines[1].split()[:4] == ["nll_oracle", "3.401", "3.401", "lower"]
    assert any(line.startswith("real       dataset Walks, training 360, held out 40 (share 0.1") for line in lines)
    assert "bleu       hypotheses 40, references 40, references_seed 1, smoothing method1" in lines
    assert any(line.startswith("perplexity model interpolated Kneser-Ney, order 3, discount 0.75") for line in lines)
    assert any(line.startswith("versions") and "nltk" in line for line in lines)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.zeros((60, 4), np.int64), r"expected tokens of shape \(N, 9\), got int64 of shape \(60, 4\)"),
        (np.zeros((60, LENGTH)), r"expected tokens of shape \(N, 9\), got float64"),
        (np.full((60, LENGTH), 30), "expected tokens from 0 to 29, got 30 to 30"),
        (np.full((60, LENGTH), -1), "expected tokens from 0 to 29, got -1 to -1"),
    ],
)
def test_what_is_no_sentence_of_the_data_is_refused(tokens: IntArray, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        evaluator()(lambda count: tokens)


def test_too_few_sentences_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 20 training sentences; these data have 12"):
        sequence_evaluator(Walks(12), Walks(12).load(), SHARE)
    with pytest.raises(ConfigError, match="at least 10 samples to evaluate, got 9"):
        evaluator(size=EvaluationSize(count=9))


@pytest.mark.parametrize(("size", "bleu", "seconds"), [(FULL_SIZE, (0.662, 0.431, 0.266), 20), (QUICK_SIZE, None, 10)])
def test_floor_of_real_captions(
    size: EvaluationSize,
    bleu: tuple[float, ...] | None,
    seconds: float,
    real_data: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    dataset = Text(str(real_data / "text" / "image_coco.txt"))
    measure, before = sequence_evaluator(dataset, dataset.load(), 0.05, size=size), time.process_time()
    floor = measure.floor()
    assert time.process_time() - before < seconds  # nltk's import among them
    assert 30 < floor["backward_perplexity"] < 150
    assert floor["verbatim"] < 0.02
    if bleu is not None:
        assert [floor[f"bleu_{n}"] for n in (2, 3, 4)] == pytest.approx(bleu, abs=0.001)
