"""Memorisation: are generated samples nearer to the training data than unseen real ones are?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_cli.metrics.features import Neighbours, check_feature_pair, nearest
from gan_cli.protocols.arrays import DoubleArray, Features

# Few held-out samples are as near to the training data as this share of them.
RARE_QUANTILE = 0.01


@dataclass(frozen=True)
class Memorization:
    """How near generated samples come to training samples, with held-out real samples as the measure.

    Attributes:
        score: how likely a generated sample is nearer to its nearest training sample than a held-out one is to its own;
            ties count half. In [0, 1]: 0.5 is expected of fresh samples, 1 of copies, less than 0.5 of samples that
            miss the data. It is 1 minus the ``Delta_T`` of Meehan et al. 2020.
        statistic: the same in standard deviations, their ``C_T`` in a single cell: standard normal for fresh samples,
            far below 0 (-3 or less) for copies, far above 0 for samples that miss the data.
        copied: share of generated samples nearer to a training sample than all but 1% of held-out ones; 0.01 is
            expected of fresh samples. It shows copies among samples that otherwise miss the data, where ``score``
            averages over both.
        ratio: median distance of generated samples to their nearest training sample over that of held-out samples;
            1 is expected of fresh samples, 0 if most are copies. NaN where both medians are 0, infinite where the
            held-out samples' alone is.
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
        train: ``(N, D)``, what the generator was trained on.
        held_out: ``(H, D)``, real samples that it was not trained on.
        generated: ``(M, D)``.

    Raises:
        InvalidValueError: no samples, different D, numbers that are not finite.
    """
    check_feature_pair(train, held_out, ("train", "held_out"))
    check_feature_pair(train, generated, ("train", "generated"))
    found = nearest(generated, train, 1)
    ours, theirs = found.distances[:, 0], nearest(held_out, train, 1).distances[:, 0]
    score, statistic = _rank(ours, theirs)
    # The smallest distance that at least 1% of the held-out samples do not exceed: nearer than that is rare.
    copied = float((ours < np.quantile(theirs, RARE_QUANTILE, method="inverted_cdf")).mean())
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.median(ours) / np.median(theirs))
    return Memorization(score, statistic, copied, ratio, found)


def _rank(ours: DoubleArray, theirs: DoubleArray) -> tuple[float, float]:
    """The share of pairs in which ours is the smaller, and Mann and Whitney's U of ours in standard deviations."""
    from scipy.stats import rankdata  # slow to import

    count, others = len(ours), len(theirs)
    total = count + others
    ranks = rankdata(np.concatenate([ours, theirs]))
    larger = float(ranks[:count].sum()) - count * (count + 1) / 2
    pairs = count * others
    _, ties = np.unique(ranks, return_counts=True)
    tied = float((ties.astype(np.float64) ** 3 - ties).sum()) / (total * (total - 1))
    variance = pairs / 12 * (total + 1 - tied)
    statistic = (larger - pairs / 2) / np.sqrt(variance) if variance > 0 else 0.0  # all the same: nothing to tell apart
    return 1 - larger / pairs, float(statistic)
