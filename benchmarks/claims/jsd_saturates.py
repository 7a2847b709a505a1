"""Estimate the Jensen-Shannon divergence and the Wasserstein distance between parallel lines."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from benchmarks.claims import charts
from benchmarks.claims.claim import Arm, Bound, Claim, Metrics, Runs

THETAS = (-1.0, -0.5, -0.25, -0.1, 0.0, 0.1, 0.25, 0.5, 1.0)
LOSSES = {"jsd": "divergence/jsd", "wgan": "divergence/wasserstein"}


def arm(loss: str, theta: float) -> Arm:
    """Return the arm of one loss at one distance of the lines."""
    return Arm(f"{loss} {theta:g}", f"claim_jsd_saturates_{loss}", (f"dataset.theta={theta:g}",))


def estimates(runs: Runs, loss: str) -> list[float]:
    """Return the divergence that D's loss estimates for each theta at the end of training."""
    return [runs[arm(loss, theta).name].tail_mean(LOSSES[loss]) for theta in THETAS]


def measure(runs: Runs) -> Metrics:
    """Compare both estimates with the exact values."""
    jsd, wasserstein = estimates(runs, "jsd"), estimates(runs, "wgan")
    return summary(jsd, wasserstein)


def summary(jsd: Sequence[float], wasserstein: Sequence[float]) -> dict[str, float]:
    """Compute the metrics from the estimates at ``THETAS``."""
    apart = [abs(value - math.log(2)) for theta, value in zip(THETAS, jsd, strict=True) if theta]
    distances = np.abs(THETAS)
    return {
        "JSD: largest |estimate - log 2|, theta not 0": max(apart),
        "JSD at theta = 0": jsd[THETAS.index(0.0)],
        "W: correlation with abs(theta)": float(np.corrcoef(distances, wasserstein)[0, 1]),
        "W: largest |estimate - abs(theta)|": float(np.abs(distances - wasserstein).max()),
    }


def picture(seeds: Sequence[Runs]) -> Figure:
    """Plot both estimates over theta."""
    figure, (jsd, wasserstein) = charts.figure(curves=2)
    jsd.set(title="JSD estimate in nats", xlabel="theta")
    wasserstein.set(title="Wasserstein estimate", xlabel="theta")
    for runs in seeds:
        # Dots: a line would draw a slope between the values, where there is none.
        jsd.plot(THETAS, estimates(runs, "jsd"), "C0o", label="every seed")
        wasserstein.plot(THETAS, estimates(runs, "wgan"), "C0", label="every seed")
    wasserstein.plot(THETAS, np.abs(THETAS), "C1o", label="abs(theta)")
    charts.reference_line(jsd, math.log(2), "log 2")
    for panel in (jsd, wasserstein):
        panel.set_ylim(bottom=0)
        charts.legend(panel)
    return figure


CLAIM = Claim(
    name="jsd_saturates",
    statement="Between parallel lines at distance theta the JSD is log 2 for every theta but 0, and has no"
    " gradient; the Wasserstein distance is abs(theta) (Arjovsky et al. 2017, example 1).",
    protocol="The line at x = 0 is `architecture=segment`, kept by `optimizer.lr_g=0`; the other is"
    f" `dataset=parallel_lines` at theta = {', '.join(f'{theta:g}' for theta in THETAS)}. D: two hidden layers of"
    " 128, 1,500 steps of batch 256, Adam at 2e-3 falling to 0; `loss=jsd`, and `loss=wgan_gp` with one D step. The"
    " estimate is the mean of the run's `divergence/*` over the last tenth of its reports.",
    arms=tuple(arm(loss, theta) for loss in LOSSES for theta in THETAS),
    measure=measure,
    bounds=(
        Bound("JSD: largest |estimate - log 2|, theta not 0", maximum=0.02),
        Bound("JSD at theta = 0", maximum=0.02),
        Bound("W: correlation with abs(theta)", minimum=0.99),
    ),
    picture=picture,
    caption="The estimates of all seeds over theta.",
    look_for="On the left the JSD jumps from 0 to log 2 as soon as the lines are apart, and then stays there, however"
    " near or far they are: it has no slope that G could follow. On the right the Wasserstein distance is a V: its"
    " slope says at every distance which way to move.",
)
