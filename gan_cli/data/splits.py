"""Split data into rows to train on and held-out rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gan_cli.protocols.arrays import IntArray
from gan_cli.protocols.data import Sequences


@dataclass(frozen=True)
class SequenceSplit:
    """The training part of sequences, and the held-out part.

    Attributes:
        train: sequences with the rows to train on.
        held_out: sequences with the rows that are held out, of which there may be none.
    """

    train: Sequences
    held_out: Sequences


def split_sequences(source: Sequences, share: float) -> SequenceSplit:
    """Hold out a share, in [0, 1), of the sequences: the same for every seed, none where the share is too small."""
    train, heldout = split_rows(len(source.tokens), share)
    return SequenceSplit(replace(source, rows=train if len(heldout) else None), replace(source, rows=heldout))


def selected_tokens(source: Sequences) -> IntArray:
    """Return the tokens ``(M, T)`` of the rows that are in use."""
    return source.tokens if source.rows is None else source.tokens[source.rows]


# The split is a property of the data, not of a run: all seeds leave out the same samples.
SPLIT_SEED = 0
# With fewer samples the held-out estimate is too noisy: then none are held out.
MIN_HELDOUT = 16


def split_rows(count: int, share: float, minimum: int = MIN_HELDOUT) -> tuple[IntArray, IntArray]:
    """Split the rows of a dataset into training rows and held-out rows.

    Args:
        count: number of rows.
        share: share of them that is held out, in [0, 1).
        minimum: held-out rows, at least; none are held out if the share yields fewer.

    Returns:
        Rows to train on and rows that are held out, both in ascending order; the latter ``floor(share * count)``.
    """
    order = np.random.default_rng(SPLIT_SEED).permutation(count)
    num_heldout = int(share * count)
    num_heldout = num_heldout if num_heldout >= minimum else 0
    return np.sort(order[num_heldout:]), np.sort(order[:num_heldout])
