"""Train D against a fixed G, and follow the gradient that G would get."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from benchmarks.claims import charts
from benchmarks.claims.claim import Arm, Bound, Claim, Metrics, Runs

SATURATING = "diagnosis/gradient_saturating"
NON_SATURATING = "diagnosis/gradient_non_saturating"
GRADIENT, DEVIATION = "diagnosis/gradient", "diagnosis/gradient_deviation"
# Step until which the critic has not learned yet.
CRITIC_READY_STEP = 100


def measure(runs: Runs) -> Metrics:
    """Compare the gradients of the last reports with those of the first."""
    gan, critic = runs["jsd"], runs["wgan"].curve(GRADIENT)
    falling, other = gan.curve(SATURATING).values, gan.curve(NON_SATURATING).values
    deviation = gan.curve(DEVIATION).values
    settled = critic.values[critic.steps >= CRITIC_READY_STEP]
    later = deviation[gan.curve(DEVIATION).steps >= CRITIC_READY_STEP]
    tenth = max(1, len(later) // 10)
    return {
        "log(1 - D): decades lost": math.log10(falling[0] / falling[-1]),
        "-log D: last gradient / first": float(other[-1] / other[0]),
        "-log D: variance, last tenth / first report": float(np.square(later[-tenth:]).mean() / deviation[0] ** 2),
        f"-log D: variance, last tenth / first tenth from step {CRITIC_READY_STEP}": float(
            np.square(later[-tenth:]).mean() / np.square(later[:tenth]).mean()
        ),
        f"critic: largest / smallest from step {CRITIC_READY_STEP}": float(settled.max() / settled.min()),
        "critic: largest / smallest from the first report": float(critic.values.max() / critic.values.min()),
    }


def picture(seeds: Sequence[Runs]) -> Figure:
    """Plot gradients, and their deviation over samples, over D's steps."""
    figure, (gradients, spread) = charts.figure(curves=2)
    gradients.set(title="gradient at a generated sample", xlabel="steps of G that it does not make", yscale="log")
    spread.set(title="its deviation over samples", xlabel="steps of G that it does not make")
    for runs in seeds:
        for panel, label, curve, color in (
            (gradients, "log(1 - D)", runs["jsd"].curve(SATURATING), "C0"),
            (gradients, "-log D", runs["jsd"].curve(NON_SATURATING), "C1"),
            (gradients, "critic", runs["wgan"].curve(GRADIENT), "C2"),
            (spread, "-log D", runs["jsd"].curve(DEVIATION), "C1"),
        ):
            panel.plot(curve.steps, curve.values, color, label=label)
    spread.set_ylim(bottom=0)
    for panel in (gradients, spread):
        charts.legend(panel)
    return figure


CLAIM = Claim(
    name="vanishing_gradient",
    statement="While D approaches its best, the gradient of log(1 - D(G(z))) vanishes; that of -log D does not, but"
    " grows unstable (Arjovsky & Bottou 2017, theorems 2.4 and 2.6); that of a WGAN critic stays (Arjovsky et al."
    " 2017, figure 2).",
    protocol="MNIST; G (hidden layers of 256 and 512, batch norm) stays as it began, by `optimizer.lr_g=0`; D (512"
    " and 256) trains on for 1,500 steps of batch 64 with Adam at 2e-4, the critic for 1,500 x 5 with the settings"
    " of its paper. Gradients are the runs' `diagnosis/gradient*`, means over 128 samples of the norm for each,"
    f" every 10 steps. The critic's factor is taken from step {CRITIC_READY_STEP} on, since a critic that has not"
    " learned yet says nothing; the factor from the first report is listed too. The paper trained its G for an epoch"
    " or more before it kept it; this one is untrained.",
    arms=(Arm("jsd", "claim_vanishing_gradient_jsd"), Arm("wgan", "claim_vanishing_gradient_wgan")),
    measure=measure,
    bounds=(
        Bound("log(1 - D): decades lost", minimum=3.0),
        Bound("-log D: last gradient / first", minimum=1.0, expected=">= 1: does not vanish"),
        Bound("-log D: variance, last tenth / first report", minimum=1.0, expected="> 1: grows"),
        Bound(
            f"-log D: variance, last tenth / first tenth from step {CRITIC_READY_STEP}",
            minimum=1.0,
            expected="> 1: goes on growing",
        ),
        Bound(f"critic: largest / smallest from step {CRITIC_READY_STEP}", maximum=3.0),
    ),
    picture=picture,
    look_for="As D gets better, the gradient of log(1 - D), on a logarithmic scale, falls by a factor of thousands: G"
    " would learn nothing more. That of -log D grows instead, and scatters more and more. The critic's is flat: a"
    " better critic does not take the gradient away.",
    caption="Mean gradient norms (logarithmic) and their deviation, every seed.",
)
