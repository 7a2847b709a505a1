"""Compare the gradients of -log D and log(1 - D) in the first steps of G."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmarks.claims import charts
from benchmarks.claims.claim import Arm, Bound, Claim, Metrics, Runs
from benchmarks.claims.vanishing_gradient import NON_SATURATING, SATURATING

ARMS = {"one": "as often as G", "five": "five times as often"}


def measure(runs: Runs) -> Metrics:
    """Compute for each arm the ratio of the mean gradients over the first 100 steps, and the largest at any report."""
    metrics = {}
    for name, words in ARMS.items():
        weak, strong = (runs[name].curve(tag).values for tag in (SATURATING, NON_SATURATING))
        metrics[f"D trained {words}: ratio"] = float(strong.mean() / weak.mean())
        metrics[f"D trained {words}: largest ratio"] = float((strong / weak).max())
    return metrics


def picture(seeds: Sequence[Runs]) -> Figure:
    """Plot the ratio over the steps."""
    figure, (panel,) = charts.figure(curves=1)
    panel.set(title="gradient of -log D / gradient of log(1 - D)", xlabel="step", yscale="log")
    for runs in seeds:
        for color, (name, words) in enumerate(ARMS.items()):
            weak, strong = (runs[name].curve(tag) for tag in (SATURATING, NON_SATURATING))
            panel.plot(weak.steps, strong.values / weak.values, f"C{color}", label=f"D {words}")
    charts.reference_line(panel, 10, "10")
    charts.legend(panel)
    return figure


CLAIM = Claim(
    name="non_saturating_start",
    statement="In its first 100 steps -log D gives G at least ten times the gradient of log(1 - D), since D rejects"
    " poor samples with confidence (Goodfellow et al. 2014, section 3).",
    protocol="MNIST; G with hidden layers of 256 and 512 and batch norm, D with 512 and 256, `loss=jsd`, Adam at"
    " 2e-4, batch 64: once with D trained as often as G, and once five times as often."
    " `diagnosis/gradient_non_saturating` and `diagnosis/gradient_saturating` every 5 steps; the ratio is that of"
    " their means over the 100 steps. It is (1 - D) / D at a generated sample, so ten of it ask for D(G(z)) below"
    " 1/11.",
    arms=tuple(Arm(name, f"claim_non_saturating_start_{name}") for name in ARMS),
    measure=measure,
    bounds=tuple(Bound(f"D trained {words}: ratio", minimum=10.0) for words in ARMS.values()),
    picture=picture,
    caption="The ratio at each report, every seed (logarithmic).",
    look_for="Above 1 the loss -log D gives G the larger gradient. When D is trained as often as G the two are about"
    " the same in these 100 steps; only a D that is trained five times as often is sure enough for the ratio to reach"
    " 10, and not on average.",
    remarks="In the first 100 steps of `experiment=dcgan_mnist`'s networks at width 16, D as often as G, the ratio"
    " was 5.7 and at most 15 (seed 0); without batch norm in G it was no higher than with it.",
)
