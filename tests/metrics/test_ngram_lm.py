"""The language model: against one written down word by word, and against what perplexities must be."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gan_cli.data.splits import selected_tokens, split_sequences
from gan_cli.datasets.text import Text
from gan_cli.errors import InvalidValueError
from gan_cli.metrics.distinct import truncate_at_end
from gan_cli.metrics.ngram_lm import DISCOUNT, NGramModel
from gan_cli.protocols.arrays import IntArray

START = "start"


class Plain:
    """Interpolated Kneser-Ney as its formula reads, with dictionaries."""

    def __init__(self, tokens: IntArray, vocabulary: int, end: int | None, order: int) -> None:
        self.vocabulary, self.order = vocabulary, order
        ngrams = [ngram for events in self.events(tokens, end) for ngram in events]
        self.counts = {order: Counter(ngrams)}
        for length in range(order - 1, 0, -1):
            self.counts[length] = Counter(ngram[1:] for ngram in self.counts[length + 1])

    def events(self, tokens: IntArray, end: int | None) -> list[list[tuple[object, ...]]]:
        width = tokens.shape[1]
        sentences = [
            [*row, end] if len(row) < width and end is not None else row for row in truncate_at_end(tokens, end)
        ]
        padded = [[*[START] * (self.order - 1), *sentence] for sentence in sentences]
        return [[tuple(row[i : i + self.order]) for i in range(len(row) - self.order + 1)] for row in padded]

    def probability(self, ngram: tuple[object, ...]) -> float:
        if not ngram:
            return 1 / self.vocabulary
        shorter, counts = self.probability(ngram[1:]), self.counts[len(ngram)]
        following = {other: count for other, count in counts.items() if other[:-1] == ngram[:-1]}
        if not following:
            return shorter
        taken = max(counts[ngram] - DISCOUNT, 0) + DISCOUNT * len(following) * shorter
        return taken / sum(following.values())


def sentences(count: int, seed: int, vocabulary: int = 5, width: int = 6) -> IntArray:
    return np.random.default_rng(seed).integers(0, vocabulary, (count, width))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("end", [0, None])
def test_probabilities_are_those_of_the_formula(order: int, end: int | None) -> None:
    fitted, asked = sentences(12, 1), sentences(9, 2)
    plain = Plain(fitted, 7, end, order)
    expected = [plain.probability(ngram) for events in plain.events(asked, end) for ngram in events]
    assert NGramModel(fitted, 7, end, order).probabilities(asked) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("end", [0, None])
@pytest.mark.parametrize("context", list(itertools.product(range(4), repeat=2))[::3])
def test_probabilities_of_all_words_add_up_to_one(context: tuple[int, int], end: int | None) -> None:
    """After contexts that were seen, after others, and at the beginning; word 5 was never seen."""
    model = NGramModel(sentences(8, 3, 4), 6, end)
    rows = np.array([[*(word or 1 for word in context), word] for word in range(6)])
    last = model.probabilities(rows).reshape(6, 3)
    assert last[:, 2].sum() == pytest.approx(1, abs=1e-12)
    first = model.probabilities(np.array([[word] for word in range(6)]))
    assert first.sum() == pytest.approx(1, abs=1e-12)
    assert (first > 0).all()


def test_uniform_source_has_the_perplexity_of_its_size() -> None:
    source = np.random.default_rng(0)
    model = NGramModel(source.integers(0, 10, (10_000, 20)), 10)
    assert model.perplexity(source.integers(0, 10, (2000, 20))) == pytest.approx(10, rel=0.02)


def test_chain_has_the_perplexity_of_its_entropy() -> None:
    """Each word is followed by one of two, 3 to 1."""
    source = np.random.default_rng(0)
    steps = np.where(source.random((5000, 19)) < 0.75, 1, 2)
    walks = np.concatenate([source.integers(0, 8, (5000, 1)), steps], axis=1).cumsum(axis=1) % 8
    entropy = (np.log(8) + 19 * (np.log(4) - 0.75 * np.log(3))) / 20
    assert NGramModel(walks[:4000], 8).perplexity(walks[4000:]) == pytest.approx(np.exp(entropy), rel=0.01)


def test_sentence_that_is_sure_has_perplexity_one_and_the_end_counts() -> None:
    same = np.array([[1, 2, 0, 0]]).repeat(5000, 0)
    model = NGramModel(same, 3, 0)
    assert model.perplexity(same) == pytest.approx(1, abs=1e-3)
    assert model.probabilities(same[:1]).shape == (3,)  # two words and the end
    assert model.perplexity(np.array([[1, 2, 0, 7 % 3]])) == model.perplexity(same[:1])  # nothing after it counts
    assert NGramModel(same, 3).probabilities(same[:1]).shape == (4,)


def test_words_that_were_never_seen_are_dear_but_not_infinitely() -> None:
    collapsed = NGramModel(np.array([[1, 2, 3, 0]]).repeat(2000, 0), 50, 0)
    found = collapsed.perplexity(np.array([[7, 8, 9, 0]]))
    assert np.isfinite(found)
    assert found > 50


def test_variety_lowers_backward_perplexity_and_collapse_raises_it() -> None:
    source = np.random.default_rng(0)
    real = source.integers(0, 4, (1000, 8)) + np.arange(8) * 4
    few = real[source.integers(0, 3, 1000)]
    assert NGramModel(few, 32).perplexity(real[500:]) > 2 * NGramModel(real[:500], 32).perplexity(real[500:])
    # Forward it is the other way round: what repeats real sentences looks the better.
    model = NGramModel(real, 32)
    assert model.perplexity(few) < model.perplexity(real) * 1.05


def test_what_is_no_sentence_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="tokens: expected tokens below 5, got 5"):
        NGramModel(np.array([[1, 5]]), 5)
    with pytest.raises(InvalidValueError, match="63 bits"):
        NGramModel(np.array([[1, 5]]), 3_000_000)
    with pytest.raises(InvalidValueError, match="order: expected an integer >= 1, got 0"):
        NGramModel(np.array([[1, 2]]), 5, order=0)
    with pytest.raises(InvalidValueError, match=r"tokens of shape \(N, T\)"):
        NGramModel(np.array([[1, 2]]), 5).perplexity(np.empty((0, 2), np.int64))


def test_real_captions_take_a_moment(real_data: Path) -> None:
    text = Text(str(real_data / "text" / "image_coco.txt")).load()
    split, before = split_sequences(text, 0.05), time.process_time()
    found = NGramModel(selected_tokens(split.train), len(text.words), text.end).perplexity(
        selected_tokens(split.held_out)
    )
    assert found == pytest.approx(38.07, abs=0.01)
    assert time.process_time() - before < 2
