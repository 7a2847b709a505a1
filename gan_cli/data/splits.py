"""Split data into rows to train on and held-out rows."""

from __future__ import annotations

import math
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
# Largest share that train.held_out may be.
MAX_SHARE = 0.5


def held_out_shortage(count: int, share: float) -> str | None:
    """Return why none of the rows are held out although a share of them was to be; None where that is not so."""
    if not share or int(share * count) >= MIN_HELDOUT:
        return None
    enough = math.ceil(100 * MIN_HELDOUT / count) / 100
    advice = f"; train.held_out={enough:g} holds out enough" if enough <= MAX_SHARE else ""
    return (
        f"train.held_out={share:g} of {count} samples is {int(share * count)}, fewer than {MIN_HELDOUT}: none are held"
        f" out, and nothing says whether training samples are memorized{advice}"
    )


def training_count(count: int, share: float, minimum: int = MIN_HELDOUT) -> int:
    """Return how many of ``count`` rows are trained on, as :func:`split_rows` splits them."""
    num_heldout = int(share * count)
    return count - (num_heldout if num_heldout >= minimum else 0)


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
    num_heldout = count - training_count(count, share, minimum)
    heldout, train = np.sort(order[:num_heldout]), order[num_heldout:]
    train.sort()  # in place: of many small samples the rows themselves are large
    return train, heldout
