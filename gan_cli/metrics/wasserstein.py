"""The exact Wasserstein distance, by optimal transport between small samples."""

from __future__ import annotations

from gan_cli.errors import require
from gan_cli.metrics.features import check_feature_pair
from gan_cli.metrics.registry import metric
from gan_cli.protocols.arrays import Features

# Time grows with the cube of the number of samples, memory with its square.
MAX_SAMPLES = 5000


def wasserstein_distance(a: Features, b: Features) -> float:
    """Compute the exact 1-Wasserstein distance of two samples ``(N, D)``; >= 0, in units of the features.

    Costs are Euclidean. Between equally many points of equal weight some optimal plan is a permutation (Birkhoff), so
    it is found as an assignment. Between samples of the *same* distribution the distance is not 0 but shrinks with N,
    slowly where D is large: compare it with that of two real samples of the same size.

    Raises:
        InvalidValueError: different N or D, N above 5,000, numbers that are not finite.
    """
    check_feature_pair(a, b, ("first", "second"))
    require(len(a) == len(b), "second", len(b), f"{len(a):,} samples, as many as there are in the first")
    require(len(a) <= MAX_SAMPLES, "first", len(a), f"at most {MAX_SAMPLES:,} samples")
    from scipy.optimize import linear_sum_assignment  # slow to import
    from scipy.spatial.distance import cdist

    costs = cdist(a, b)  # in float64, from the differences
    return float(costs[linear_sum_assignment(costs)].mean())


@metric(
    "wasserstein",
    needs="held_out",
    description="exact transport distance to held-out samples",
    backbone="pixels",
    while_training=None,
)
def transport_to_held_out(held_out: Features, generated: Features) -> float:
    """Compute :func:`wasserstein_distance` of generated samples to held-out ones."""
    return wasserstein_distance(generated, held_out)
