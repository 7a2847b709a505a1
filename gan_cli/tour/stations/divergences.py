"""KL divergence in both directions, and the Jensen-Shannon divergence: what a model of one mode learns of two."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gan_cli.protocols.arrays import DoubleArray
from gan_cli.theory import js_divergence, kl_divergence, wasserstein_1d
from gan_cli.tour import panels
from gan_cli.tour.station import Station

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

X = np.linspace(-8.0, 8.0, 1601)
# Means and standard deviations of the data's two modes, with equal weights.
MODES = ((-2.5, 0.6), (2.5, 0.9))
# Means and standard deviations from which a fit begins: on both modes, and on each.
STARTS = ((0.0, 2.5), *MODES)


def gaussian(mean: float, deviation: float) -> DoubleArray:
    """Return the probabilities of the cells around ``X``; all >= 1e-300, so that divergences are finite."""
    density = np.exp(-np.square((X - mean) / deviation) / 2) + 1e-300
    probabilities: DoubleArray = density / density.sum()
    return probabilities


def fit(data: DoubleArray, divergence: Callable[[DoubleArray, DoubleArray], float]) -> DoubleArray:
    """Return the Gaussian with the smallest divergence from the data: the best of the fits from :data:`STARTS`."""
    from scipy.optimize import minimize

    def loss(parameters: DoubleArray) -> float:
        return divergence(data, gaussian(float(parameters[0]), math.exp(float(parameters[1]))))

    found = [minimize(loss, (mean, math.log(deviation)), method="Nelder-Mead") for mean, deviation in STARTS]
    best = min(found, key=lambda each: float(each.fun))
    return gaussian(float(best.x[0]), math.exp(float(best.x[1])))


def draw(finished: Finished) -> Figure:
    """Draw the three fits, and the divergences of two Gaussians that move apart."""
    data = np.mean([gaussian(*mode) for mode in MODES], axis=0)
    figure, (fits, apart) = panels.figure(curves=2)
    width = X[1] - X[0]
    fits.fill_between(X, data / width, color="0.85", label="data p")
    for label, line, divergence in (
        ("smallest KL(p || q)", "-", kl_divergence),
        ("smallest KL(q || p)", "-", lambda p, q: kl_divergence(q, p)),
        ("smallest JSD(p, q)", "--", js_divergence),
    ):
        fits.plot(X, fit(data, divergence) / width, line, label=label)
    fits.set(title="one Gaussian q for data of two modes", xlabel="x", ylabel="density", ylim=(0, 0.65))
    panels.legend(fits)
    distances = np.linspace(0, 6, 61)
    pairs = [(gaussian(-d / 2, 0.5), gaussian(d / 2, 0.5)) for d in distances]
    apart.plot(distances, [min(kl_divergence(*each), 8.0) for each in pairs], label="KL")
    apart.plot(distances, [js_divergence(*each) for each in pairs], label="JSD")
    apart.plot(distances, [wasserstein_1d(X, *each) for each in pairs], label="earth mover")
    apart.set(title="two Gaussians of width 0.5", xlabel="distance of their means", ylim=(0, 6))
    panels.reference_line(apart, math.log(2), "log 2")
    panels.legend(apart)
    return figure


STATION = Station(
    name="divergences",
    question="Why does it matter which way round a divergence is?",
    theory="Generative models differ in the divergence between the data p and the model q that they make"
    " small. KL(p || q) = sum p log(p / q), which maximum likelihood minimizes, is not KL(q || p). The"
    " Jensen-Shannon divergence takes both from the middle, m = (p + q) / 2: JSD = KL(p || m) / 2 + KL(q || m)"
    " / 2, between 0 and log 2.",
    commands=(),
    see="Left: KL(p || q) is infinite where there are data and q has none, so its best q covers both modes and the"
    " gap between them. KL(q || p) is infinite where q has mass and there are no data, so its best q takes one"
    " mode and forgets the other. KL is not symmetric; the JSD is, and its best q covers both here. Right: as two"
    " narrow Gaussians move apart, KL grows without bound, the earth mover's distance grows with the distance, and the"
    " JSD ends at log 2: it tells that they are apart, and no longer how far. Its slope there, all that a"
    " generator could learn from, is zero.",
    change=(
        (
            "Read the three definitions, and what they return where q is 0:",
            'python -c "from gan_cli import theory; help(theory.kl_divergence)"',
        ),
    ),
    draw=draw,
)
