"""The accuracy of chance, and whether that of a classifier is any better."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gan_cli.protocols.arrays import IntArray

# A classifier whose accuracy guesses reach with at least this probability is no better than they are.
LEVEL = 0.01
NO_BETTER = "no better than chance"
# A classifier that is right less often knows the classes too badly for a measure of samples.
LEAST_ACCURACY = 0.9
# Key of the caution among the facts of a backbone.
CAUTION = "caution"


def chance_facts(accuracy: float, labels: IntArray) -> dict[str, Any]:
    """Return the accuracy of guessing the commonest class, and a caution where the classifier's is no better, or low.

    Args:
        accuracy: share of the images whose class was predicted.
        labels: ``(N,)``, the classes of these images.
    """
    chance = float(np.bincount(labels).max() / len(labels))
    if binomial_tail(round(accuracy * len(labels)), len(labels), chance) > LEVEL:
        return {"chance": chance, CAUTION: NO_BETTER}
    if accuracy < LEAST_ACCURACY:
        return {"chance": chance, CAUTION: f"right on {accuracy:.0%} of images only"}
    return {"chance": chance}


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """Return the probability of that many successes or more in independent trials, each with ``probability`` > 0."""
    if successes <= 0 or probability >= 1:
        return 1.0
    logs = (
        math.lgamma(trials + 1)
        - math.lgamma(count + 1)
        - math.lgamma(trials - count + 1)
        + count * math.log(probability)
        + (trials - count) * math.log1p(-probability)
        for count in range(successes, trials + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs)))
