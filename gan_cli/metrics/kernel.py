"""Kernel distance: the unbiased estimate of the squared maximum mean discrepancy of two sets of features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_cli.errors import require
from gan_cli.metrics.features import check_feature_pair
from gan_cli.metrics.registry import MetricInfo, metrics
from gan_cli.protocols.arrays import DoubleArray, Features


@dataclass(frozen=True)
class KernelDistance:
    """The squared maximum mean discrepancy over subsets of the samples.

    Attributes:
        mean: over the subsets; its expectation is 0 for equal distributions, so that it may be negative.
        deviation: standard deviation over the subsets: of one subset's value, not of the mean.
    """

    mean: float
    deviation: float


def kernel_distance(
    real: Features, generated: Features, *, seed: int, subsets: int = 100, size: int = 1000
) -> KernelDistance:
    """Estimate MMD^2 without bias, with the kernel ``(x.y / D + 1)^3``, averaged over random subsets.

    Binkowski et al. 2018, "Demystifying MMD GANs", section 4; on Inception's features it is their KID. Its
    expectation does not depend on how many samples there are, unlike that of the Frechet distance.

    Args:
        real: ``(N, D)``.
        generated: ``(M, D)``.
        seed: of the random subsets.
        subsets: number to average over; >= 2.
        size: samples of each set in a subset, drawn without replacement; from 2 to the smaller of N and M. Near that
            number the subsets overlap so much that their deviation is too small.

    Raises:
        InvalidValueError: a parameter out of its range, different D, numbers that are not finite.
    """
    check_feature_pair(real, generated, ("real", "generated"), 2)
    limit = min(len(real), len(generated))
    require(2 <= size <= limit, "size", size, f"an integer from 2 to {limit:,}, the smaller of the numbers of samples")
    require(subsets >= 2, "subsets", subsets, "an integer >= 2")
    require(seed >= 0, "seed", seed, "an integer >= 0")
    random = np.random.default_rng(seed)
    values = [squared_mmd(_subset(real, size, random), _subset(generated, size, random)) for _ in range(subsets)]
    return KernelDistance(float(np.mean(values)), float(np.std(values, ddof=1)))


KERNEL_INCEPTION_DISTANCE = MetricInfo(
    "kid", description="kernel Inception distance, unbiased: may be below 0", rank=60
)
KID_DEVIATION = MetricInfo("kid_deviation", better="-", description="its deviation over subsets")


@metrics(
    MetricInfo(
        "kernel",
        description="kernel distance, unbiased: may be below 0",
        rank=50,
        published={"inception": KERNEL_INCEPTION_DISTANCE},
    ),
    MetricInfo(
        "kernel_deviation",
        better="-",
        description="its deviation over subsets",
        published={"inception": KID_DEVIATION},
    ),
    while_training={"subsets": 20},
)
def kernel_distance_of_halves(
    real: Features, generated: Features, *, seed: int, subsets: int = 100, size: int = 1000
) -> dict[str, float]:
    """Compute :func:`kernel_distance` with subsets of at most ``size`` samples, and at most half of either set."""
    size = min(size, len(real) // 2, len(generated) // 2)
    found = kernel_distance(real, generated, seed=seed, subsets=subsets, size=size)
    return {"kernel": found.mean, "kernel_deviation": found.deviation}


def squared_mmd(x: DoubleArray, y: DoubleArray) -> float:
    """Compute the unbiased MMD^2 (Gretton et al. 2012, eq. 3) of ``(N, D)`` and ``(M, D)``.

    Memory is N x N + N x M + M x M numbers.
    """
    return _mean_of_others(_kernel(x, x)) + _mean_of_others(_kernel(y, y)) - 2 * float(_kernel(x, y).mean())


def _kernel(x: DoubleArray, y: DoubleArray) -> DoubleArray:
    products: DoubleArray = x @ y.T
    products /= x.shape[1]
    products += 1.0
    return products * products * products  # `**` is some ten times slower


def _mean_of_others(kernel: DoubleArray) -> float:
    """Compute the mean off the diagonal, whose entries, of a sample with itself, would bias the estimate."""
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def _subset(features: Features, size: int, random: np.random.Generator) -> DoubleArray:
    return features[random.choice(len(features), size, replace=False)].astype(np.float64)
