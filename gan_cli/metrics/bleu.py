"""BLEU and self-BLEU: n-gram precision of sentences against others.

Scores are computed by ``nltk``, which counts the n-grams of all references again for each sentence: minutes for a
thousand. So each sentence is given only those references that can affect its score, which changes no score.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gan_cli.errors import require
from gan_cli.metrics.distinct import check_tokens, truncate_at_end
from gan_cli.protocols.arrays import IntArray

# Longest n-grams of the scores: BLEU-2 to BLEU-5.
ORDERS = (2, 3, 4, 5)

Sentence: TypeAlias = list[int]
Ngram: TypeAlias = tuple[int, ...]


def bleu(hypotheses: IntArray, references: IntArray, end: int | None = None) -> dict[int, float]:
    """Compute BLEU-n (Papineni et al. 2002) for n = 2 to 5, averaged over sentences as in Texygen (Zhu et al. 2018).

    n-grams of 1 to n tokens have equal weights, all references count for each sentence, and where no n-gram of an order
    matches, its count is taken as 0.1 (``method1`` of Chen and Cherry 2014). BLEU rises with the number of references:
    only scores against equally many are comparable.

    Args:
        hypotheses: the sentences to score, ``(N, T)``.
        references: ``(M, S)``.
        end: the token that ends a sentence and is no part of it; None: all are of full length.

    Returns:
        n -> the score, in [0, 1]; 1 for sentences of at least n tokens that equal a reference.

    Raises:
        InvalidValueError: not tokens of that shape.
    """
    check_tokens(hypotheses, "hypotheses")
    check_tokens(references, "references")
    index = _References(truncate_at_end(references, end))
    return _mean_scores([(sentence, index.relevant(sentence)) for sentence in truncate_at_end(hypotheses, end)])


def self_bleu(sentences: IntArray, end: int | None = None) -> dict[int, float]:
    """Compute the mean BLEU-n of sentences ``(N, T)``, N >= 2, each against all others: n -> score, 1 if all are equal.

    Raises:
        InvalidValueError: not tokens of that shape, or a single sentence.
    """
    check_tokens(sentences, "sentences")
    require(len(sentences) >= 2, "sentences", len(sentences), "2 sentences or more")
    lists = truncate_at_end(sentences, end)
    index = _References(lists)
    return _mean_scores([(sentence, index.relevant(sentence, exclude)) for exclude, sentence in enumerate(lists)])


def _mean_scores(pairs: Sequence[tuple[Sentence, list[Sentence]]]) -> dict[int, float]:
    """Average the scores of sentences, each against its own references; n -> mean score."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu  # slow to import

    smoothing, weights = SmoothingFunction().method1, [(1 / n,) * n for n in ORDERS]
    scores = [sentence_bleu(references, sentence, weights, smoothing) for sentence, references in pairs]
    return {n: sum(each[index] for each in scores) / len(scores) for index, n in enumerate(ORDERS)}


@dataclass(frozen=True)
class _TopCounts:
    """The two references with the most occurrences of an n-gram, as (count, index of the reference), largest first."""

    first: tuple[int, int]
    second: tuple[int, int] = (0, -1)

    def with_candidate(self, count: int, index: int) -> _TopCounts:
        """Return the two largest of these and one more reference."""
        if count > self.first[0]:
            return _TopCounts((count, index), self.first)
        return _TopCounts(self.first, (count, index)) if count > self.second[0] else self

    def best_except(self, exclude: int) -> int:
        """Return the index of the first reference that is not excluded; -1 where there is none."""
        return (self.second if self.first[1] == exclude else self.first)[1]


class _References:
    """An index that finds the few references which determine a sentence's BLEU.

    BLEU depends on the references in two ways. One is the largest number of occurrences of each n-gram of the sentence
    in any reference: one reference with that count is enough. The other is the reference length nearest to the
    sentence's.
    """

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        self._sentences = sentences
        self._top_counts = _top_counts(sentences)
        self._by_length = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))
        self._lengths = [len(sentences[index]) for index in self._by_length]

    def relevant(self, sentence: Sentence, exclude: int = -1) -> list[Sentence]:
        """Return references against which the sentence scores as against all but the excluded one.

        Args:
            sentence: to be scored.
            exclude: index of the reference that does not count; -1: all count.
        """
        most = (self._top_counts[gram].best_except(exclude) for gram in _ngrams(sentence) if gram in self._top_counts)
        indices = {*most, *self._nearest(len(sentence), exclude)} - {-1}
        return [self._sentences[index] for index in sorted(indices)]

    def _nearest(self, length: int, exclude: int) -> Iterator[int]:
        """Yield the indices of the references of the nearest shorter and longer length, -1 where there is none."""
        middle = bisect_left(self._lengths, length)
        shorter, longer = reversed(self._by_length[:middle]), iter(self._by_length[middle:])
        for side in (shorter, longer):
            yield next((index for index in side if index != exclude), -1)


def _top_counts(sentences: Sequence[Sentence]) -> Mapping[Ngram, _TopCounts]:
    result: dict[Ngram, _TopCounts] = {}
    for index, sentence in enumerate(sentences):
        for ngram, count in Counter(_ngrams(sentence)).items():
            if ngram in result:
                result[ngram] = result[ngram].with_candidate(count, index)
            else:
                result[ngram] = _TopCounts((count, index))
    return result


def _ngrams(sentence: Sentence) -> Iterator[Ngram]:
    """Yield all n-grams of 1 to 5 tokens."""
    for n in range(1, max(ORDERS) + 1):
        yield from zip(*(sentence[start:] for start in range(n)), strict=False)
