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
        """``p / (p + q)`` (Goodfellow et al. 2014, proposition 1); 1/2 where both are too small to be told from 0."""
        total = self.p + self.q
        optimal_d: Floats = np.divide(self.p, total, out=np.full_like(total, 0.5), where=total > 0)
        return optimal_d

    def integral(self, values: Floats) -> float:
        """Integrate values ``(M,)`` over the plane by the midpoint rule; exact to rounding for smooth densities."""
        return float(values.sum() * self.cell)

    def divergence(self) -> float:
        """Return the Jensen-Shannon divergence of p and q in nats."""
        middle = (self.p + self.q) / 2
        return 0.5 * (self.integral(_times_log(self.p, middle)) + self.integral(_times_log(self.q, middle)))

    def value(self, discriminator: Floats) -> float:
        """Return ``V(D) = E_p log D + E_q log(1 - D)`` (ibid., eq. 1)."""
        d = np.clip(discriminator, 1e-300, 1 - 1e-16)
        return self.integral(self.p * np.log(d)) + self.integral(self.q * np.log1p(-d))

    def error(self, discriminator: Floats) -> float:
        """Return the mean absolute error of D over half data and half generated samples."""
        return self.integral((self.p + self.q) / 2 * np.abs(discriminator - self.optimal_d))


def _times_log(density: Floats, other: Floats) -> Floats:
    """Return ``density log(density / other)``, 0 where the density is 0."""
    ratio = np.divide(density, other, out=np.ones_like(density), where=density > 0)
    product: Floats = density * np.log(ratio)
    return product


def gaussian(points: Floats, mean: Sequence[float], std: Sequence[float]) -> Floats:
    """Return the density ``(M,)`` of a Gaussian with independent coordinates at points ``(M, D)``."""
    deviations = np.asarray(std, float)
    squares = np.square((points - np.asarray(mean, float)) / deviations).sum(1)
    densities: Floats = np.exp(-squares / 2) / np.prod(math.sqrt(2 * math.pi) * deviations)
    return densities


def mesh(dataset: Any, architecture: Any, side: int = SIDE) -> Mesh:
    """Evaluate the densities of a mixture and of a Gaussian generator, in the mixture's own coordinates (unit 1)."""
    ticks = (np.arange(side) + 0.5) / side * 2 * EXTENT - EXTENT
    points = np.stack(np.meshgrid(ticks, ticks, indexing="xy"), axis=-1).reshape(-1, 2)
    centres = dataset.centres().numpy()
    parts = [gaussian(points, centre, (dataset.std, dataset.std)) for centre in centres]
    q = gaussian(points, architecture.mean, architecture.std)
    return Mesh(points, (2 * EXTENT / side) ** 2, np.mean(parts, axis=0), q)


def measure(runs: Runs) -> Metrics:
    """Evaluate the trained D on the mesh, and compare with the estimate that the run reported."""
    run = runs["gan"]
    field = mesh(run.plan.dataset, run.plan.architecture)
    d = run.probability(field.points)
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
    maps = {"p / (p + q)": field.optimal_d, "trained D, seed 0": run.probability(field.points)}
    shown = {title: values[inner].reshape(side, side) for title, values in maps.items()}
    charts.show_maps(images, shown, SHOWN)
    x = np.linspace(-2.5, 2.5, 300)
    line = np.stack([x, np.zeros_like(x)], axis=1)
    p = np.mean([gaussian(line, c, (run.plan.dataset.std,) * 2) for c in run.plan.dataset.centres().numpy()], axis=0)
    q = gaussian(line, run.plan.architecture.mean, run.plan.architecture.std)
    panel.set(title="along y = 0", xlabel="x")
    for runs in seeds:
        panel.plot(x, runs["gan"].probability(line), "C0", label="trained D")
    panel.plot(x, p / (p + q), "C1", label="p / (p + q)")
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
