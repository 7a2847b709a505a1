"""Sentences as arrays of tokens: where they end, what is in them, and which n-grams."""

from __future__ import annotations

import numpy as np

from gan_cli.errors import require
from gan_cli.protocols.arrays import BoolArray, IntArray


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


def within(length: IntArray, width: int) -> BoolArray:
    """``(N, width)``, true in the first ``length`` places of each row."""
    inside: BoolArray = np.arange(width) < length[:, None]
    return inside


def cut(tokens: IntArray, end: int | None) -> list[list[int]]:
    """Sentences ``(N, T)`` as lists of tokens, each up to its end and without it."""
    return [row[:length].tolist() for row, length in zip(tokens, lengths(tokens, end), strict=True)]


def settled(tokens: IntArray, end: int | None) -> IntArray:
    """``(N, T)`` with nothing but ``end`` behind the first one, so that equal sentences are equal rows."""
    return tokens if end is None else np.where(within(lengths(tokens, end), tokens.shape[1]), tokens, end)


def numbered_ngrams(tokens: IntArray, n: int, base: int) -> IntArray:
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
