"""Separate measures of fidelity and diversity: precision, recall, density and coverage."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from gan_cli.errors import require
from gan_cli.metrics.features import check_feature_pair, check_features, nearest, tiles
from gan_cli.metrics.registry import MetricInfo, metrics
from gan_cli.protocols.arrays import BoolArray, DoubleArray, Features


@dataclass(frozen=True)
class Manifold:
    """Overlap of real and generated samples, each set approximated by balls around its samples.

    Attributes:
        precision: share of generated samples in some real sample's ball, in [0, 1].
        recall: share of real samples in some generated sample's ball, in [0, 1].
        density: mean number of real samples' balls that contain a generated sample, divided by k; >= 0, 1 is expected
            for equal distributions.
        coverage: share of real samples with a generated sample in their ball, in [0, 1]; see :func:`expected_coverage`.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(real: Features, generated: Features, *, neighbours: int = 5, reach: int = 3) -> Manifold:
    """Compute precision, recall (Kynkaanniemi et al. 2019, eq. 1, 2), density and coverage (Naeem et al. 2020).

    A sample's ball reaches to its k-th nearest neighbour within its own set, that neighbour included. All four come
    from one pass over the distances between the sets and one over those within each, a block at a time.

    Args:
        real: ``(N, D)``.
        generated: ``(M, D)``.
        neighbours: k of density and coverage; less than N.
        reach: k of precision and recall; less than N and M.

    Raises:
        InvalidValueError: too few samples for k, different D, numbers that are not finite.
    """
    check_feature_pair(real, generated, ("real", "generated"), 2)
    _require_others(real, neighbours, "neighbours")
    _require_others(real, reach, "reach")
    _require_others(generated, reach, "reach")
    # Each sample is its own nearest neighbour, at distance 0; the order of it and its copies does not matter.
    real_distances = nearest(real, real, max(neighbours, reach) + 1).distances
    precision_radii, coverage_radii = real_distances[:, reach], real_distances[:, neighbours]
    recall_radii = radii(generated, reach)
    precise: BoolArray = np.zeros(len(generated), bool)
    recalled: BoolArray = np.zeros(len(real), bool)
    covered: BoolArray = np.zeros(len(real), bool)
    hits = 0
    for tile in tiles(generated, real):
        precise[tile.rows] |= tile.within(precision_radii[None, tile.columns]).any(axis=1)
        recalled[tile.columns] |= tile.within(recall_radii[tile.rows, None]).any(axis=0)
        inside = tile.within(coverage_radii[None, tile.columns])
        covered[tile.columns] |= inside.any(axis=0)
        hits += int(np.count_nonzero(inside))
    density = hits / (neighbours * len(generated))
    return Manifold(float(precise.mean()), float(recalled.mean()), density, float(covered.mean()))


@metrics(
    MetricInfo("precision", "share", "higher", "share of generated samples among the real ones", rank=80),
    MetricInfo("recall", "share", "higher", "share of real samples among the generated ones", rank=90),
    MetricInfo("density", "", "as floor", "generated samples around real ones; near 1 for real samples"),
    MetricInfo("coverage", "share", "higher", "share of real samples with a generated one around them", rank=70),
)
def precision_and_recall(real: Features, generated: Features) -> dict[str, float]:
    """Compute the four numbers of :func:`manifold` by name."""
    return asdict(manifold(real, generated))


def radii(features: Features, k: int) -> DoubleArray:
    """Compute the distance of each of ``(N, D)`` features to the ``k``-th nearest of the others, ``(N,)``.

    Raises:
        InvalidValueError: ``k`` is not from 1 to N - 1, or numbers are not finite.
    """
    check_features(features, "features")
    _require_others(features, k, "k")
    result: DoubleArray = nearest(features, features, k + 1).distances[:, k]
    return result


def expected_coverage(real: int, generated: int, neighbours: int = 5) -> float:
    """Compute the expected coverage of samples from the data's own distribution (Naeem et al. 2020), in (0, 1).

    It is the probability that of the ``N - 1 + M`` other samples, which are exchangeable, not all of a real sample's
    ``k`` nearest are real.

    Args:
        real: number of real samples, N.
        generated: number of generated ones, M.
        neighbours: k; less than ``real``.
    """
    k = np.arange(1, neighbours + 1)
    return float(1 - np.prod((real - k) / (real + generated - k)))


def _require_others(features: Features, k: int, key: str) -> None:
    others = len(features) - 1
    require(1 <= k <= others, key, k, f"an integer from 1 to {others:,}, the number of other samples")
