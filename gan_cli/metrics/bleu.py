"""BLEU and self-BLEU: how much of sentences is found in others, word for word.

The scores are ``nltk``'s. It counts the n-grams of all references anew for each sentence, minutes for a thousand; so of
the references it is handed those alone that can matter to the sentence, which changes no score.
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
    """BLEU-n (Papineni et al. 2002) for n = 2 to 5, averaged over sentences as Texygen does (Zhu et al. 2018).

    n-grams of 1 to n tokens weigh the same, all references count for each sentence, and where none of an order is found
    0.1 is counted in its place (``method1`` of Chen and Cherry 2014). It rises with the number of references: only
    figures of equally many compare.

    Args:
        hypotheses: ``(N, T)``, the sentences that are judged.
        references: ``(M, S)``.
        end: the token that ends a sentence and is no part of it; None: all are of full length.

    Returns:
        n -> the score, in [0, 1]; 1 for sentences of at least n tokens that stand in the references as they are.

    Raises:
        InvalidValueError: no such tokens.
    """
    check_tokens(hypotheses, "hypotheses")
    check_tokens(references, "references")
    known = _References(truncate_at_end(references, end))
    return _mean_scores([(sentence, known.relevant(sentence)) for sentence in truncate_at_end(hypotheses, end)])


def self_bleu(sentences: IntArray, end: int | None = None) -> dict[int, float]:
    """BLEU-n of each of the sentences ``(N, T)``, N >= 2, against all others, averaged: 1 where all are the same.

    Raises:
        InvalidValueError: no such tokens, or one sentence alone.
    """
    check_tokens(sentences, "sentences")
    require(len(sentences) >= 2, "sentences", len(sentences), "2 sentences or more")
    lists = truncate_at_end(sentences, end)
    known = _References(lists)
    return _mean_scores([(sentence, known.relevant(sentence, place)) for place, sentence in enumerate(lists)])


def _mean_scores(pairs: Sequence[tuple[Sentence, list[Sentence]]]) -> dict[int, float]:
    """Mean scores of sentences, each with its references."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu  # slow to import

    smoothing, weights = SmoothingFunction().method1, [(1 / n,) * n for n in ORDERS]
    scores = [sentence_bleu(references, sentence, weights, smoothing) for sentence, references in pairs]
    return {n: sum(each[place] for each in scores) / len(scores) for place, n in enumerate(ORDERS)}


@dataclass(frozen=True)
class _TopCounts:
    """The two references that have an n-gram most often, as their count and place; the second is worse, or as good."""

    first: tuple[int, int]
    second: tuple[int, int] = (0, -1)

    def with_candidate(self, count: int, place: int) -> _TopCounts:
        """These, with one more candidate."""
        if count > self.first[0]:
            return _TopCounts((count, place), self.first)
        return _TopCounts(self.first, (count, place)) if count > self.second[0] else self

    def best_except(self, left_out: int) -> int:
        """The place of the best one that is not left out; -1 where there is none."""
        return (self.second if self.first[1] == left_out else self.first)[1]


class _References:
    """References, of which few matter to a sentence.

    BLEU asks of the references two things. How often each n-gram of the sentence is found in the one that has it most
    often: any reference with that count tells as much as all. And the length that is nearest to the sentence's.
    """

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        self._sentences = sentences
        self._top_counts = _top_counts(sentences)
        self._by_length = sorted(range(len(sentences)), key=lambda place: len(sentences[place]))
        self._lengths = [len(sentences[place]) for place in self._by_length]

    def relevant(self, sentence: Sentence, left_out: int = -1) -> list[Sentence]:
        """References of which a sentence's scores are those of all, but for the one in the place that is left out."""
        most = (
            self._top_counts[ngram].best_except(left_out) for ngram in _ngrams(sentence) if ngram in self._top_counts
        )
        places = {*most, *self._nearest(len(sentence), left_out)} - {-1}
        return [self._sentences[place] for place in sorted(places)]

    def _nearest(self, length: int, left_out: int) -> Iterator[int]:
        """References of the nearest length, shorter and longer, that are not left out."""
        middle = bisect_left(self._lengths, length)
        below, above = reversed(self._by_length[:middle]), iter(self._by_length[middle:])
        for side in (below, above):
            yield next((place for place in side if place != left_out), -1)


def _top_counts(sentences: Sequence[Sentence]) -> Mapping[Ngram, _TopCounts]:
    found: dict[Ngram, _TopCounts] = {}
    for place, sentence in enumerate(sentences):
        for ngram, count in Counter(_ngrams(sentence)).items():
            found[ngram] = found[ngram].with_candidate(count, place) if ngram in found else _TopCounts((count, place))
    return found


def _ngrams(sentence: Sentence) -> Iterator[Ngram]:
    """All of 1 to 5 tokens."""
    for n in range(1, max(ORDERS) + 1):
        yield from zip(*(sentence[start:] for start in range(n)), strict=False)
