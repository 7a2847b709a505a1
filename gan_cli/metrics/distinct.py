"""How different sentences are from each other, and whether they stand in the training data word for word."""

from __future__ import annotations

import numpy as np

from gan_cli.errors import require
from gan_cli.protocols.arrays import BoolArray, IntArray


def distinct(tokens: IntArray, n: int, end: int | None = None) -> float:
    """Distinct-n: different n-grams over all n-grams of the sentences (Li et al. 2016, section 5.3).

    It falls as sentences become more, so that only figures of equally many compare. Li et al. divide by the number of
    tokens, which for n > 1 keeps sentences that never repeat anything below 1.

    Args:
        tokens: ``(N, T)``.
        n: 1 or more.
        end: what ends a sentence and is no part of it; None: all have length T.

    Returns:
        A share in (0, 1]; 0 where no sentence has n tokens.

    Raises:
        InvalidValueError: no such tokens, n < 1, or n-grams that 63 bits cannot hold.
    """
    check_tokens(tokens, "tokens")
    require(n >= 1, "n", n, "an integer >= 1")
    if tokens.shape[1] < n:
        return 0.0
    complete = length_mask(lengths(tokens, end) - n + 1, tokens.shape[1] - n + 1)
    ngrams = encode_ngrams(tokens, n, int(tokens.max()) + 1)[complete]
    return len(np.unique(ngrams)) / len(ngrams) if len(ngrams) else 0.0


def repeated_share(tokens: IntArray, end: int | None = None) -> float:
    """The share of sentences ``(N, T)`` that an earlier one is equal to: in [0, 1), 0 if all are different.

    Raises:
        InvalidValueError: no such tokens.
    """
    check_tokens(tokens, "tokens")
    return 1 - len(set(_bytes(tokens, end))) / len(tokens)


def verbatim_share(tokens: IntArray, training: IntArray, end: int | None = None) -> float:
    """The share of sentences ``(N, T)`` that stand in the training data ``(M, T)`` word for word; in [0, 1].

    Raises:
        InvalidValueError: no such tokens, or different T.
    """
    check_tokens(tokens, "tokens")
    check_tokens(training, "training")
    require(training.shape[1] == tokens.shape[1], "training", training.shape, f"sentences of {tokens.shape[1]} tokens")
    known = set(_bytes(training, end))
    return sum(row in known for row in _bytes(tokens, end)) / len(tokens)


def _bytes(tokens: IntArray, end: int | None) -> list[bytes]:
    """Sentences as something to look up."""
    return [row.tobytes() for row in pad_after_end(tokens, end).astype(np.int64, copy=False)]


def check_tokens(tokens: IntArray, name: str) -> None:
    """Raise ``InvalidValueError`` unless these are sentences ``(N, T)`` of tokens >= 0, with N and T >= 1."""
    require(tokens.ndim == 2 and tokens.size > 0, name, tokens.shape, "tokens of shape (N, T)")
    require(tokens.dtype.kind in "iu", name, tokens.dtype.name, "whole numbers")
    require(int(tokens.min()) >= 0, name, int(tokens.min()), "tokens >= 0")


def lengths(tokens: IntArray, end: int | None) -> IntArray:
    """``(N,)``, how many tokens come before the first ``end`` of each of ``(N, T)``; T where there is none."""
    ended = np.pad(tokens == (-1 if end is None else end), ((0, 0), (0, 1)), constant_values=True)
    found: IntArray = ended.argmax(axis=1)
    return found


def length_mask(length: IntArray, width: int) -> BoolArray:
    """``(N, width)``, true in the first ``length`` places of each row."""
    inside: BoolArray = np.arange(width) < length[:, None]
    return inside


def truncate_at_end(tokens: IntArray, end: int | None) -> list[list[int]]:
    """Sentences ``(N, T)`` as lists of tokens, each up to its end and without it."""
    return [row[:length].tolist() for row, length in zip(tokens, lengths(tokens, end), strict=True)]


def pad_after_end(tokens: IntArray, end: int | None) -> IntArray:
    """``(N, T)`` with nothing but ``end`` behind the first one, so that equal sentences are equal rows."""
    return tokens if end is None else np.where(length_mask(lengths(tokens, end), tokens.shape[1]), tokens, end)


def encode_ngrams(tokens: IntArray, n: int, base: int) -> IntArray:
    """Each n-gram of ``(N, T)`` as one number, its tokens being digits below ``base``: ``(N, T - n + 1)``, T >= n.

    Raises:
        InvalidValueError: the numbers would not fit into 63 bits.
    """
    require(base**n < 2**63, "n", n, f"n-grams of tokens below {base} that fit into 63 bits")
    count = tokens.shape[1] - n + 1
    numbers = np.zeros((len(tokens), count), np.int64)
    for place in range(n):
        numbers = numbers * base + tokens[:, place : place + count]
    return numbers
