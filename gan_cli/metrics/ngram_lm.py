"""An n-gram language model, for the perplexity of one set of sentences under a model of another.

Fitted to generated sentences and evaluated on real ones it gives the backward perplexity, which is high where sentences
are poor and where they lack variety. Fitted to real ones and evaluated on generated ones it gives the forward
perplexity, which a single good sentence repeated for ever would make low (Zhao et al. 2018, "Adversarially Regularized
Autoencoders", section 5).

``nltk.lm`` has such a model too, but it is too slow: its Kneser-Ney iterates over all n-grams for each word, 28 ms a
word with 9,500 captions. Its other models give unseen n-grams probability 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_cli.errors import require
from gan_cli.metrics.distinct import check_tokens, encode_ngrams, length_mask, lengths
from gan_cli.protocols.arrays import DoubleArray, IntArray

# Words of an n-gram, and the discount of each count, between 0 and 1, in favour of unseen n-grams.
ORDER = 3
DISCOUNT = 0.75


@dataclass(frozen=True)
class _Counts:
    """Counts of n-grams and of their contexts, the n-grams without their last words.

    Attributes:
        ngrams: ``(K,)`` ascending, encoded as numbers whose last digit is the word and whose others are the context.
        counts: ``(K,)``, occurrences of each n-gram.
        contexts: ``(C,)`` ascending.
        totals: ``(C,)``, occurrences of each context.
        kinds: ``(C,)``, number of different words after each context.
    """

    ngrams: IntArray
    counts: IntArray
    contexts: IntArray
    totals: IntArray
    kinds: IntArray

    @classmethod
    def from_ngrams(cls, ngrams: IntArray, base: int) -> _Counts:
        """Count encoded n-grams ``(N,)``, repeated as often as they occur."""
        unique, counts = np.unique(ngrams, return_counts=True)
        contexts, inverse, kinds = np.unique(unique // base, return_inverse=True, return_counts=True)
        totals = np.bincount(inverse, counts).astype(np.int64)
        return cls(unique, counts, contexts, totals, kinds)

    def interpolate(self, ngrams: IntArray, base: int, shorter: DoubleArray) -> DoubleArray:
        """Compute the probability of each n-gram's last word given the others, ``(N,)``.

        Args:
            ngrams: encoded, ``(N,)``.
            base: of the encoding.
            shorter: probability of the last word given the context without its first word, ``(N,)``.
        """
        counts = _lookup(self.ngrams, self.counts, ngrams)
        totals = _lookup(self.contexts, self.totals, ngrams // base)
        kinds = _lookup(self.contexts, self.kinds, ngrams // base)
        mass = np.maximum(counts - DISCOUNT, 0) + DISCOUNT * kinds * shorter
        return np.where(totals > 0, mass / np.maximum(totals, 1), shorter)


class NGramModel:
    """Interpolated Kneser-Ney over a closed vocabulary (Chen and Goodman 1999, section 2.7), with one discount.

    The longest n-grams are counted by occurrences, a shorter one by the number of different words before it. The
    discounted mass goes to the shorter context, and at last to all words uniformly::

        p(w | h) = (max(c(h w) - D, 0) + D N(h) p(w | h')) / c(h)

    with N(h) different words after h, and h' without the first word of h. Probabilities of all words add up to 1.
    """

    def __init__(self, tokens: IntArray, vocabulary: int, end: int | None = None, order: int = ORDER) -> None:
        """Fit the model to sentences.

        Args:
            tokens: ``(N, T)`` in [0, vocabulary).
            vocabulary: number of tokens, the end among them.
            end: the token that ends a sentence, which is predicted as well; None: all have length T.
            order: words of an n-gram, 1 or more.

        Raises:
            InvalidValueError: not tokens of that shape, or so large a vocabulary that 63 bits cannot hold an n-gram.
        """
        require(order >= 1, "order", order, "an integer >= 1")
        self._base = vocabulary + 1  # one more for the padding before a sentence
        self._end = end
        self._order = order
        levels = [_Counts.from_ngrams(self._ngrams(tokens, order), self._base)]
        for length in range(order - 1, 0, -1):
            levels.insert(0, _Counts.from_ngrams(levels[0].ngrams % self._base**length, self._base))
        self._levels = levels

    def probabilities(self, tokens: IntArray) -> DoubleArray:
        """Compute the probability of each token of sentences ``(N, T)``, up to and including the first end.

        Returns:
            ``(K,)``, the sentences concatenated.

        Raises:
            InvalidValueError: not tokens of that shape.
        """
        ngrams = self._ngrams(tokens, self._order)
        result = np.full(len(ngrams), 1 / (self._base - 1))
        for length, level in enumerate(self._levels, 1):
            result = level.interpolate(ngrams % self._base**length, self._base, result)
        return result

    def perplexity(self, tokens: IntArray) -> float:
        """Compute ``exp`` of the mean negative log-probability of the tokens of sentences ``(N, T)``, ends included.

        Raises:
            InvalidValueError: not tokens of that shape.
        """
        return float(np.exp(-np.log(self.probabilities(tokens)).mean()))

    def _ngrams(self, tokens: IntArray, length: int) -> IntArray:
        """Return the encoded n-gram that ends in each token of all sentences, ``(K,)``."""
        check_tokens(tokens, "tokens")
        require(int(tokens.max()) < self._base - 1, "tokens", int(tokens.max()), f"tokens below {self._base - 1}")
        padded = np.pad(tokens, ((0, 0), (length - 1, 0)), constant_values=self._base - 1)
        mask = length_mask(lengths(tokens, self._end) + 1, tokens.shape[1])
        return encode_ngrams(padded, length, self._base)[mask]


def _lookup(keys: IntArray, values: IntArray, wanted: IntArray) -> IntArray:
    """Return the value of each wanted key, 0 where it is missing; ``keys`` are in ascending order."""
    indices = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[indices] == wanted, values[indices], 0)
