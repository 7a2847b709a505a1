"""List all claims in the order of the page."""

from __future__ import annotations

from benchmarks.claims import (
    jsd_saturates,
    mode_collapse,
    noise_gives_overlap,
    non_saturating_start,
    optimal_discriminator,
    vanishing_gradient,
    wgan_covers,
    wgan_loss_means_something,
    wgan_without_batchnorm,
)

CLAIMS = {
    module.CLAIM.name: module.CLAIM
    for module in (
        optimal_discriminator,
        jsd_saturates,
        vanishing_gradient,
        non_saturating_start,
        noise_gives_overlap,
        mode_collapse,
        wgan_covers,
        wgan_loss_means_something,
        wgan_without_batchnorm,
    )
}
