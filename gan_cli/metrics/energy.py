"""The energy distance: expected distances between two sets of features beside those within each."""

from __future__ import annotations

import numpy as np

from gan_cli.metrics.features import check_feature_pair, tiles
from gan_cli.metrics.registry import metric
from gan_cli.protocols.arrays import Features


@metric("energy", better="lower", needs="features", while_training=None)
def energy_distance(real: Features, generated: Features) -> float:
    """Energy distance of the features, unbiased: may be below 0.

    ``2 E|X - Y| - E|X - X'| - E|Y - Y'|`` (Szekely and Rizzo 2013, eq. 1), which is 0 for equal distributions alone. As
    a U-statistic: a sample is no pair with itself, so that the expectation does not depend on how many samples there
    are. ``gan-eval`` alone computes it, since it takes all distances between the sets and within each.

    Args:
        real: ``(N, D)``, N >= 2.
        generated: ``(M, D)``, M >= 2.

    Returns:
        In units of the features.

    Raises:
        InvalidValueError: too few samples, different D, numbers that are not finite.
    """
    check_feature_pair(real, generated, ("real", "generated"), 2)

    def sum_of_distances(first: Features, second: Features) -> float:
        # Of a sample to itself, rounding leaves a distance of 1e-6 of its norm at most, in one pair of N.
        return sum(float(np.sqrt(np.maximum(tile.squares, 0.0)).sum()) for tile in tiles(first, second))

    n, m = len(real), len(generated)
    between = sum_of_distances(real, generated) / (n * m)
    within = sum_of_distances(real, real) / (n * (n - 1)) + sum_of_distances(generated, generated) / (m * (m - 1))
    return 2 * between - within
