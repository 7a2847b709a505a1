"""Names of the claims in the order of the page, and metrics that keep the bounds of one."""

from __future__ import annotations

import math

from benchmarks.claims.claim import Claim

NAMES = (
    "optimal_discriminator",
    "jsd_saturates",
    "vanishing_gradient",
    "non_saturating_start",
    "noise_gives_overlap",
    "mode_collapse",
    "wgan_covers",
    "wgan_loss_means_something",
    "wgan_without_batchnorm",
)


def passing(claim: Claim) -> dict[str, float]:
    """Figures at the edge of every bound of a claim."""
    return {bound.metric: bound.maximum if bound.maximum < math.inf else bound.minimum for bound in claim.bounds}
