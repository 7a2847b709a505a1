"""Quantities of the theory of GANs, in float64: entropies, divergences, the best D. Imports no torch."""

from gan_cli.theory.densities import gaussian_density
from gan_cli.theory.divergences import js_divergence, kl_divergence, total_variation, wasserstein_1d
from gan_cli.theory.game import game_value, optimal_discriminator, optimal_value
from gan_cli.theory.information import cross_entropy, entropy, information

__all__ = [
    "cross_entropy",
    "entropy",
    "game_value",
    "gaussian_density",
    "information",
    "js_divergence",
    "kl_divergence",
    "optimal_discriminator",
    "optimal_value",
    "total_variation",
    "wasserstein_1d",
]
