"""Compare a trained D with the optimal p / (p + q), where p and q are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.claims import charts
from benchmarks.claims.charts import Floats
from benchmarks.claims.claim import Arm, Bound, Claim, Metrics, Runs
from gan_cli import theory

# Points of a side of the mesh, and half its width: seven deviations of the wider distribution.
SIDE, EXTENT = 400, 5.6
# Half the width of the maps.
SHOWN = 2.2


@dataclass(frozen=True)
class Mesh:
    """Densities on a regular mesh over the plane.

    Attributes:
        points: ``(M, 2)``.
        cell: area of one mesh cell.
        p: ``(M,)``, density of the data.
        q: ``(M,)``, density of G.
    """

    points: Floats
    cell: float
    p: Floats
    q: Floats

    @property
    def optimal_d(self) -> Floats:
        """``p / (p + q)`` at the points, ``(M,)``."""
        return theory.optimal_discriminator(self.p, self.q)

    def divergence(self) -> float:
        """Return the Jensen-Shannon divergence of p and q in nats, by the midpoint rule."""
        return theory.js_divergence(self.p * self.cell, self.q * self.cell)

    def value(self, discriminator: Floats) -> float:
        """Return the value ``V(D)`` of a discriminator at the points, ``(M,)``."""
        return theory.game_value(self.p * self.cell, self.q * self.cell, discriminator)

    def error(self, discriminator: Floats) -> float:
        """Return the mean absolute error of D over half data and half generated samples."""
        return float(((self.p + self.q) / 2 * np.abs(discriminator - self.optimal_d)).sum() * self.cell)


def mesh(dataset: Any, architecture: Any, side: int = SIDE) -> Mesh:
    """Evaluate the densities of a mixture and of a Gaussian generator, in the mixture's own coordinates (unit 1)."""
    ticks = (np.arange(side) + 0.5) / side * 2 * EXTENT - EXTENT
    points = np.stack(np.meshgrid(ticks, ticks, indexing="xy"), axis=-1).reshape(-1, 2)
    p, q = _densities(dataset, architecture, points)
    return Mesh(points, (2 * EXTENT / side) ** 2, p, q)


def _densities(dataset: Any, architecture: Any, points: Floats) -> tuple[Floats, Floats]:
    """Return the densities of a mixture and of a Gaussian generator at points ``(M, 2)``, ``(M,)`` each."""
    parts = [theory.gaussian_density(points, centre, dataset.std) for centre in dataset.centres().numpy()]
    return np.mean(parts, axis=0), theory.gaussian_density(points, architecture.mean, architecture.std)


def _scores(run: Any, points: Floats) -> Floats:
    """Return the trained D's probability of real at points ``(M, 2)``, ``(M,)`` in [0, 1]."""
    scores: Floats = run.discriminator.scores(points.astype(np.float32))
    return scores


def measure(runs: Runs) -> Metrics:
    """Evaluate the trained D on the mesh, and compare with the estimate that the run reported."""
    run = runs["gan"]
    field = mesh(run.plan.dataset, run.plan.architecture)
    d = _scores(run, field.points)
    expected = -2 * math.log(2) + 2 * field.divergence()
    estimate = -2 * math.log(2) + 2 * run.tail_mean("divergence/jsd")
    return {
        "mean abs. error of D": field.error(d),
        "V(D), by integration": field.value(d),
        "V(D*) = -2 log 2 + 2 JSD": expected,
        "|V(D) - V(D*)|": abs(field.value(d) - expected),
        "V(D), as the run reports it": estimate,
        "|reported V(D) - V(D*)|": abs(estimate - expected),
    }


def picture(seeds: Sequence[Runs]) -> Figure:
    """Show D and its optimum over the plane, and plot both along a line."""
    run = seeds[0]["gan"]
    field = mesh(run.plan.dataset, run.plan.architecture)
    inner = np.abs(field.points).max(1) < SHOWN
    side = round(math.sqrt(inner.sum()))
    figure, (panel, *images) = charts.figure(curves=1, images=2)
    maps = {"p / (p + q)": field.optimal_d, "trained D, seed 0": _scores(run, field.points)}
    shown = {title: values[inner].reshape(side, side) for title, values in maps.items()}
    charts.show_maps(images, shown, SHOWN)
    x = np.linspace(-2.5, 2.5, 300)
    line = np.stack([x, np.zeros_like(x)], axis=1)
    p, q = _densities(run.plan.dataset, run.plan.architecture, line)
    panel.set(title="along y = 0", xlabel="x")
    for runs in seeds:
        panel.plot(x, _scores(runs["gan"], line), "C0", label="trained D")
    panel.plot(x, theory.optimal_discriminator(p, q), "C1", label="p / (p + q)")
    panel.set_ylim(bottom=0)
    charts.legend(panel)
    return figure


CLAIM = Claim(
    name="optimal_discriminator",
    statement="With p and q known, the trained D approaches p / (p + q), and V(D*) = -2 log 2 + 2 JSD (Goodfellow"
    " et al. 2014, proposition 1 and theorem 1).",
    protocol="p: three Gaussians of deviation 0.3 on a circle of radius 1; q: `architecture=gaussian`, deviation"
    " 0.8, kept by `optimizer.lr_g=0`. D: two hidden layers of 128, `loss=jsd`, 4,000 steps of batch 512, Adam at"
    " 2e-3 falling to 0. Integrals are sums over a mesh of 400 x 400 points in [-5.6, 5.6]^2; the error is the mean"
    " over half data and half generated samples.",
    arms=(Arm("gan", "claim_optimal_discriminator"),),
    measure=measure,
    bounds=(
        Bound("mean abs. error of D", maximum=0.02),
        Bound("|V(D) - V(D*)|", maximum=0.02),
        Bound("|reported V(D) - V(D*)|", maximum=0.02),
    ),
    picture=picture,
    look_for="The two maps look alike: where data are, D says 1 (white), far from them 0 (black), and in between the"
    " share of data among all samples there. On the left, along one line, the trained D of every seed lies on the"
    " curve p / (p + q).",
    caption="The ideal and the trained D of seed 0 over [-2.2, 2.2]^2 (white: data), and D of every seed along y = 0.",
)
