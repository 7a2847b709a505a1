"""BLEU and self-BLEU: against values worked out by hand, and against nltk with all references."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from nltk.translate.bleu_score import SmoothingFunction, corpus_bleu, sentence_bleu

from gan_cli.errors import InvalidValueError
from gan_cli.metrics.bleu import ORDERS, bleu, self_bleu
from gan_cli.metrics.distinct import lengths, truncate_at_end
from gan_cli.protocols.arrays import IntArray

WEIGHTS = [(1 / n,) * n for n in ORDERS]
METHOD1 = SmoothingFunction().method1


def rows(*sentences: str) -> IntArray:
    """Letters as tokens from 1 on, filled up with 0."""
    width = max(map(len, sentences))
    return np.array(
        [[ord(letter) - 96 for letter in sentence] + [0] * (width - len(sentence)) for sentence in sentences]
    )


def random_sentences(count: int, seed: int, vocabulary: int = 6, width: int = 9) -> IntArray:
    """Many repeated n-grams, all lengths from none to full."""
    source = np.random.default_rng(seed)
    tokens = source.integers(1, vocabulary, (count, width))
    return np.where(np.arange(width) < source.integers(0, width + 1, count)[:, None], tokens, 0)


def plainly(hypotheses: list[list[int]], references: list[list[list[int]]]) -> IntArray:
    """nltk's score of each sentence against all of its references."""
    pairs = zip(references, hypotheses, strict=True)
    return np.mean([sentence_bleu(theirs, sentence, WEIGHTS, METHOD1) for theirs, sentence in pairs], axis=0)


def test_worked_out_by_hand() -> None:
    """ "abcd" against "abxd" and "bcyzw": all but a letter, then bigrams ab and bc, no trigram, no 4-gram."""
    found = bleu(rows("abcd"), rows("abxd", "bcyzw"), end=0)
    ones, twos, threes, fours = 4 / 4, 2 / 3, 0.1 / 2, 0.1 / 1
    assert found[2] == pytest.approx(math.sqrt(ones * twos))
    assert found[3] == pytest.approx((ones * twos * threes) ** (1 / 3))
    assert found[4] == pytest.approx((ones * twos * threes * fours) ** (1 / 4))
    # No 5-gram fits: nltk counts 0.1 of one.
    assert found[5] == pytest.approx((ones * twos * threes * fours * 0.1) ** (1 / 5))


def test_repetition_counts_as_often_as_a_single_reference_has_it() -> None:
    """Papineni's "the the the": three of five, since one reference has three and another two."""
    found = bleu(rows("aaaaa"), rows("aabbb", "aaabb"), end=0)
    assert found[2] == pytest.approx(math.sqrt(3 / 5 * 2 / 4))


def test_short_sentence_is_penalised_by_the_nearest_length() -> None:
    assert bleu(rows("abc"), rows("abcde", "xyabcdefg"), end=0)[2] == pytest.approx(math.exp(1 - 5 / 3))
    # Of two equally near the shorter: no penalty.
    assert bleu(rows("abc"), rows("abcd", "ab"), end=0)[2] == pytest.approx(1)


def test_corpus_of_one_sentence_is_nltks_corpus_score() -> None:
    found = bleu(rows("abcdefa"), rows("abcdxfa", "bcdefy"), end=0)
    references = [truncate_at_end(rows("abcdxfa", "bcdefy"), 0)]
    assert list(found.values()) == pytest.approx(
        corpus_bleu(references, truncate_at_end(rows("abcdefa"), 0), WEIGHTS, METHOD1)
    )


@pytest.mark.parametrize("seed", range(4))
def test_few_references_score_as_all_do(seed: int) -> None:
    hypotheses, references = random_sentences(60, seed), random_sentences(40 + seed, seed + 100)
    everything = [truncate_at_end(references, 0)] * len(hypotheses)
    assert np.allclose(
        list(bleu(hypotheses, references, 0).values()), plainly(truncate_at_end(hypotheses, 0), everything), atol=1e-12
    )


@pytest.mark.parametrize("seed", range(4))
def test_self_bleu_leaves_out_the_sentence_alone(seed: int) -> None:
    tokens = random_sentences(50, seed)
    lists = truncate_at_end(tokens, 0)
    others = [[*lists[:place], *lists[place + 1 :]] for place in range(len(lists))]
    assert np.allclose(list(self_bleu(tokens, 0).values()), plainly(lists, others), atol=1e-12)


def test_full_length_without_an_end() -> None:
    tokens = np.random.default_rng(0).integers(0, 4, (30, 8))
    everything = [tokens.tolist()] * 30
    assert np.allclose(list(bleu(tokens, tokens[::-1]).values()), plainly(tokens.tolist(), everything))
    assert list(bleu(tokens, tokens).values()) == [1] * 4


def test_same_sentences_score_one_and_strange_ones_nothing() -> None:
    assert list(self_bleu(rows("abcdef").repeat(5, 0), 0).values()) == pytest.approx([1] * 4)
    assert list(bleu(rows("abcdef"), rows("ghijkl"), 0).values()) == [0] * 4
    assert list(self_bleu(rows("abcde", "fghij"), 0).values()) == [0] * 4
    assert list(bleu(rows("", "abcde")[:1], rows("abcde"), 0).values()) == [0] * 4


def test_tokens_after_the_end_do_not_count() -> None:
    beyond = np.array([[1, 2, 3, 0, 4, 5]])
    clean = np.array([[1, 2, 3, 0, 0, 0]])
    assert bleu(beyond, rows("abcd"), 0) == bleu(clean, rows("abcd"), 0)
    assert lengths(beyond, 0).tolist() == [3]


def test_it_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bleu(rows("ab", "cd"), rows("xy"), 0)


def test_what_is_no_sentence_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="sentences: expected 2 sentences or more, got 1"):
        self_bleu(rows("abc"), 0)
    with pytest.raises(InvalidValueError, match=r"references: expected tokens of shape \(N, T\)"):
        bleu(rows("abc"), np.empty((0, 3), np.int64), 0)
    with pytest.raises(InvalidValueError, match="hypotheses: expected whole numbers, got 'float64'"):
        bleu(np.zeros((2, 3)), rows("abc"), 0)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="hypotheses: expected tokens >= 0, got -1"):
        bleu(np.array([[-1, 2]]), rows("abc"), 0)


def test_nltk_is_imported_only_once_it_is_needed() -> None:
    code = "import sys, gan_cli.metrics.bleu, gan_cli.evaluation.text; sys.exit('nltk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
