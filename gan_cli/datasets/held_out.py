"""A share of the data that D never trains on, so that what it learned by heart can be told from what it understood."""

from __future__ import annotations

import numpy as np

from gan_cli.protocols.arrays import IntArray

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
