"""Sequences to train on and those that are held out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gan_cli.protocols.arrays import IntArray
from gan_cli.protocols.data import Sequences


@dataclass(frozen=True)
class SequenceSplit:
    """Sequences without a share of them, and that share.

    Attributes:
        train: with the rows to train on.
        held_out: with the rows that are held out, of which there may be none.
    """

    train: Sequences
    held_out: Sequences


def split_sequences(source: Sequences, share: float) -> SequenceSplit:
    """Hold out a share, in [0, 1), of the sequences, the same whatever a run's seed; few ones are not worth it."""
    rows, held = held_out_rows(len(source.tokens), share)
    return SequenceSplit(replace(source, rows=rows if len(held) else None), replace(source, rows=held))


def chosen(source: Sequences) -> IntArray:
    """``(M, T)``, the tokens of the rows that count."""
    return source.tokens if source.rows is None else source.tokens[source.rows]


# The split is a property of the data, not of a run: all seeds leave out the same samples.
SEED = 0
# Fewer samples than these say nothing about what D knows by heart: then none are held out.
FEWEST = 16


def held_out_rows(count: int, share: float, fewest: int = FEWEST) -> tuple[IntArray, IntArray]:
    """Split the rows of a dataset.

    Args:
        count: rows there are.
        share: of them that is held out, in [0, 1).
        fewest: that are worth holding out; none are where the share comes to less.

    Returns:
        Rows to train on and rows that are held out, both in ascending order; the latter ``floor(share * count)``.
    """
    order = np.random.default_rng(SEED).permutation(count)
    held = int(share * count)
    held = held if held >= fewest else 0
    return np.sort(order[held:]), np.sort(order[:held])
