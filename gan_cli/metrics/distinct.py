"""Diversity of sentences, the share that copies the training data, and helpers for arrays of tokens."""

from __future__ import annotations

import numpy as np

from gan_cli.errors import require
from gan_cli.protocols.arrays import BoolArray, IntArray


def distinct(tokens: IntArray, n: int, end: int | None = None) -> float:
    """Compute distinct-n: the number of different n-grams over that of all n-grams (Li et al. 2016, section 5.3).

    It falls with the number of sentences: only values of equally many are comparable. Li et al. divide by the number of
    tokens, which for n > 1 stays below 1 even where no n-gram is repeated.

    Args:
        tokens: ``(N, T)``.
        n: 1 or more.
        end: the token that ends a sentence and is no part of it; None: all have length T.

    Returns:
        A share in (0, 1]; 0 where no sentence has n tokens.

    Raises:
        InvalidValueError: not tokens of that shape, n < 1, or n-grams that 63 bits cannot hold.
    """
    check_tokens(tokens, "tokens")
    require(n >= 1, "n", n, "an integer >= 1")
    if tokens.shape[1] < n:
        return 0.0
    complete = length_mask(lengths(tokens, end) - n + 1, tokens.shape[1] - n + 1)
    ngrams = encode_ngrams(tokens, n, int(tokens.max()) + 1)[complete]
    return len(np.unique(ngrams)) / len(ngrams) if len(ngrams) else 0.0


def repeated_share(tokens: IntArray, end: int | None = None) -> float:
    """Compute the share of sentences ``(N, T)`` that equal an earlier one: in [0, 1), 0 if all are different.

    Raises:
        InvalidValueError: not tokens of that shape.
    """
    check_tokens(tokens, "tokens")
    return 1 - len(set(_bytes(tokens, end))) / len(tokens)


def verbatim_share(tokens: IntArray, training: IntArray, end: int | None = None) -> float:
    """Compute the share of sentences ``(N, T)`` that equal one of the training data ``(M, T)``; in [0, 1].

    Raises:
        InvalidValueError: not tokens of that shape, or different T.
    """
    check_tokens(tokens, "tokens")
    check_tokens(training, "training")
    require(training.shape[1] == tokens.shape[1], "training", training.shape, f"sentences of {tokens.shape[1]} tokens")
    known = set(_bytes(training, end))
    return sum(row in known for row in _bytes(tokens, end)) / len(tokens)


def _bytes(tokens: IntArray, end: int | None) -> list[bytes]:
    """Return sentences as hashable keys, equal for equal sentences."""
    return [row.tobytes() for row in pad_after_end(tokens, end).astype(np.int64, copy=False)]


def check_tokens(tokens: IntArray, name: str) -> None:
    """Raise ``InvalidValueError`` unless these are sentences ``(N, T)`` of tokens >= 0, with N and T >= 1."""
    require(tokens.ndim == 2 and tokens.size > 0, name, tokens.shape, "tokens of shape (N, T)")
    require(tokens.dtype.kind in "iu", name, tokens.dtype.name, "whole numbers")
    require(int(tokens.min()) >= 0, name, int(tokens.min()), "tokens >= 0")


def lengths(tokens: IntArray, end: int | None) -> IntArray:
    """Count the tokens before the first ``end`` of each sentence, ``(N, T) -> (N,)``; T where there is none."""
    is_end = np.pad(tokens == (-1 if end is None else end), ((0, 0), (0, 1)), constant_values=True)
    result: IntArray = is_end.argmax(axis=1)
    return result


def length_mask(length: IntArray, width: int) -> BoolArray:
    """Return a mask ``(N, width)`` that is true in the first ``length`` columns of each row; ``length`` is ``(N,)``."""
    mask: BoolArray = np.arange(width) < length[:, None]
    return mask


def truncate_at_end(tokens: IntArray, end: int | None) -> list[list[int]]:
    """Convert sentences ``(N, T)`` to lists of tokens, each up to its first ``end`` and without it."""
    return [row[:length].tolist() for row, length in zip(tokens, lengths(tokens, end), strict=True)]


def pad_after_end(tokens: IntArray, end: int | None) -> IntArray:
    """Replace all tokens after the first ``end`` by ``end``, so that equal sentences are equal rows; ``(N, T)``."""
    return tokens if end is None else np.where(length_mask(lengths(tokens, end), tokens.shape[1]), tokens, end)


def encode_ngrams(tokens: IntArray, n: int, base: int) -> IntArray:
    """Encode each n-gram as one number with the tokens as digits: ``(N, T) -> (N, T - n + 1)``, T >= n.

    Args:
        tokens: each below ``base``.
        n: tokens in an n-gram.
        base: of the number.

    Raises:
        InvalidValueError: the numbers would not fit into 63 bits.
    """
    require(base**n < 2**63, "n", n, f"n-grams of tokens below {base} that fit into 63 bits")
    count = tokens.shape[1] - n + 1
    numbers = np.zeros((len(tokens), count), np.int64)
    for offset in range(n):
        numbers = numbers * base + tokens[:, offset : offset + count]
    return numbers
