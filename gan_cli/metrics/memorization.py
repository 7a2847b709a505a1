"""Memorisation: distances of generated samples to the training data, compared with those of held-out samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_cli.metrics.features import Neighbours, check_feature_pair, nearest
from gan_cli.metrics.registry import MetricInfo, metrics
from gan_cli.protocols.arrays import DoubleArray, Features

# Quantile of the held-out samples' distances below which a generated sample counts as copied.
RARE_QUANTILE = 0.01


@dataclass(frozen=True)
class Memorization:
    """Distances of generated samples to their nearest training samples, relative to those of held-out real samples.

    "Fresh" samples are those of the data's own distribution, independent of the training samples.

    Attributes:
        score: probability that a generated sample is nearer to its nearest training sample than a held-out one is to
            its own; ties count half. In [0, 1]: 0.5 is expected of fresh samples, 1 of copies, less than 0.5 of samples
            far from the data. It is 1 minus the ``Delta_T`` of Meehan et al. 2020.
        statistic: the same in standard deviations, their ``C_T`` in a single cell: standard normal for fresh samples,
            far below 0 (-3 or less) for copies, far above 0 for samples far from the data.
        copied: share of generated samples nearer to a training sample than all but 1% of held-out ones; 0.01 is
            expected of fresh samples. It detects copies among samples that are otherwise far from the data, where
            ``score`` averages over both.
        ratio: median distance of generated samples to their nearest training sample over that of held-out samples;
            1 is expected of fresh samples, 0 if most are copies. NaN where both medians are 0, infinite where only the
            held-out samples' is.
        nearest: the nearest training sample of each generated one, ``(M, 1)``.
    """

    score: float
    statistic: float
    copied: float
    ratio: float
    nearest: Neighbours


def memorization(train: Features, held_out: Features, generated: Features) -> Memorization:
    """Compare distances to the training data (Meehan et al. 2020, "A Non-Parametric Test to Detect Data-Copying").

    Args:
        train: real samples that the generator was trained on, ``(N, D)``.
        held_out: real samples that it was not trained on, ``(H, D)``.
        generated: ``(M, D)``.

    Raises:
        InvalidValueError: no samples, different D, numbers that are not finite.
    """
    check_feature_pair(train, held_out, ("train", "held_out"))
    check_feature_pair(train, generated, ("train", "generated"))
    neighbours = nearest(generated, train, 1)
    near, reference = neighbours.distances[:, 0], nearest(held_out, train, 1).distances[:, 0]
    score, statistic = _rank(near, reference)
    # The smallest distance that at least 1% of the held-out samples do not exceed.
    copied = float((near < np.quantile(reference, RARE_QUANTILE, method="inverted_cdf")).mean())
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.median(near) / np.median(reference))
    return Memorization(score, statistic, copied, ratio, neighbours)


@metrics(
    MetricInfo(
        "memorisation",
        "probability",
        "0.5",
        "how often a generated sample is nearer to training data than a held-out one",
    ),
    MetricInfo(
        "copied",
        "share",
        "as floor",
        "share of samples nearer to training data than 99% of held-out ones; 0.01 if fresh",
    ),
    needs="training",
    while_training=None,
)
def memorized_share(training: Features, held_out: Features, generated: Features) -> dict[str, float]:
    """Compute score and share of copies of :func:`memorization` by name."""
    found = memorization(training, held_out, generated)
    return {"memorisation": found.score, "copied": found.copied}


def _rank(values: DoubleArray, reference: DoubleArray) -> tuple[float, float]:
    """Compute the share of pairs in which the value is smaller, and Mann and Whitney's U in standard deviations."""
    from scipy.stats import rankdata  # slow to import

    count, others = len(values), len(reference)
    total = count + others
    ranks = rankdata(np.concatenate([values, reference]))
    larger = float(ranks[:count].sum()) - count * (count + 1) / 2
    pairs = count * others
    _, ties = np.unique(ranks, return_counts=True)
    tied = float((ties.astype(np.float64) ** 3 - ties).sum()) / (total * (total - 1))
    variance = pairs / 12 * (total + 1 - tied)
    statistic = (larger - pairs / 2) / np.sqrt(variance) if variance > 0 else 0.0  # 0 where all are tied
    return 1 - larger / pairs, float(statistic)
