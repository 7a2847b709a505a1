"""How different sentences are, and which of them were copied."""

from __future__ import annotations

import numpy as np
import pytest

from gan_cli.errors import InvalidValueError
from gan_cli.metrics.distinct import distinct, lengths, pad_after_end, repeated_share, truncate_at_end, verbatim_share

# With 0 as the end: "1 2 1 2", "1 2", nothing, "3 3 3".
TOKENS = np.array([[1, 2, 1, 2], [1, 2, 0, 5], [0, 4, 4, 4], [3, 3, 3, 0]])


def test_worked_out_by_hand() -> None:
    assert distinct(TOKENS, 1, 0) == pytest.approx(3 / 9)
    assert distinct(TOKENS, 2, 0) == pytest.approx(3 / 6)  # 12 21 12, 12, 33 33
    assert distinct(TOKENS, 3, 0) == pytest.approx(3 / 3)  # 121 212, 333
    assert distinct(TOKENS, 5, 0) == 0
    assert distinct(TOKENS, 4, 0) == 1


@pytest.mark.parametrize("n", [1, 2, 3])
def test_all_different_is_one_and_all_the_same_next_to_nothing(n: int) -> None:
    assert distinct(np.arange(60).reshape(10, 6), n) == 1
    assert distinct(np.full((10, 6), 7), n) == pytest.approx(1 / (10 * (7 - n)))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("end", [0, None])
def test_it_is_what_sets_of_ngrams_say(n: int, end: int | None) -> None:
    tokens = np.random.default_rng(n).integers(0, 9, (80, 12))
    ngrams = [tuple(row[i : i + n]) for row in truncate_at_end(tokens, end) for i in range(len(row) - n + 1)]
    assert distinct(tokens, n, end) == len(set(ngrams)) / len(ngrams)


def test_large_vocabularies_do_not_collide() -> None:
    tokens = np.random.default_rng(0).integers(0, 2_000_000, (50, 10))
    assert distinct(tokens, 3) == 1
    with pytest.raises(InvalidValueError, match="63 bits"):
        distinct(tokens, 4)


def test_sentences_end_where_they_end() -> None:
    assert lengths(TOKENS, 0).tolist() == [4, 2, 0, 3]
    assert lengths(TOKENS, None).tolist() == [4] * 4
    assert truncate_at_end(TOKENS, 0) == [[1, 2, 1, 2], [1, 2], [], [3, 3, 3]]
    assert pad_after_end(TOKENS, 0).tolist() == [[1, 2, 1, 2], [1, 2, 0, 0], [0, 0, 0, 0], [3, 3, 3, 0]]


def test_repeated_sentences_are_those_that_an_earlier_one_equals() -> None:
    tokens = np.array([[1, 2, 0, 0], [1, 2, 0, 9], [1, 2, 3, 0], [1, 2, 0, 0]])
    assert repeated_share(tokens, 0) == 0.5
    assert repeated_share(tokens) == 0.25
    assert repeated_share(np.arange(8).reshape(4, 2)) == 0


def test_copied_sentences_stand_in_the_training_data_word_for_word() -> None:
    training = np.array([[1, 2, 0, 0], [5, 6, 7, 8]])
    tokens = np.array([[1, 2, 0, 3], [1, 2, 0, 0], [5, 6, 7, 0], [5, 6, 7, 8]], np.int32)
    assert verbatim_share(tokens, training, 0) == 0.75
    assert verbatim_share(tokens, training) == 0.5
    with pytest.raises(InvalidValueError, match="training: expected sentences of 4 tokens"):
        verbatim_share(tokens, training[:, :3], 0)


def test_what_is_no_sentence_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"tokens: expected tokens of shape \(N, T\)"):
        distinct(np.zeros(3, np.int64), 1)
    with pytest.raises(InvalidValueError, match="n: expected an integer >= 1, got 0"):
        distinct(TOKENS, 0)
