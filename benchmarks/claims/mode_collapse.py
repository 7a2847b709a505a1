"""Train GANs that collapse on a ring of Gaussians, and check that the alarm reports it."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmarks.claims.claim import Arm, Bound, Claim, Metrics, Runs
from benchmarks.claims.scatter import moments

ARMS = {
    "minimax": "claim_mode_collapse_minimax",
    "jsd": "claim_mode_collapse_jsd",
    "unrolled protocol": "claim_mode_collapse_unrolled_protocol",
}
COLLAPSING = ("minimax", "jsd")
COLLAPSES = "a GAN whose G learns faster than D collapses, and the alarm says so"
# Moments of a run that the picture shows: the last checkpoints.
MOMENTS = 6


def measure(runs: Runs) -> Metrics:
    """Compute captured modes, modes by nearest samples, and the step of the alarm."""
    metrics = {}
    for name in ARMS:
        found = runs[name].modes()
        metrics[f"{name}: modes"] = float(found.captured)
        metrics[f"{name}: modes with a tenth of their share"] = float((found.shares >= 0.1).sum())
        metrics[f"{name}: alarm mode_collapse at step"] = runs[name].first_alarm_step("mode_collapse")
    return metrics


def picture(seeds: Sequence[Runs]) -> Figure:
    """Show the samples of each arm over time, a row each."""
    return moments([(name, seeds[0][name].snapshots()[-MOMENTS:]) for name in ARMS])


CLAIM = Claim(
    name="mode_collapse",
    statement="On the ring of eight Gaussians a GAN whose G learns faster than D holds at most two modes at a time,"
    " and the alarm `mode_collapse` says so. The protocol of Unrolled GAN without unrolling (Metz et al. 2017), on a"
    " ring with eight distinct centres, does not collapse.",
    protocol="Radius 2, deviation 0.02, in the ring's own coordinates (`dataset.unit=1`), z of 256, two hidden"
    " layers of 128, Adam at 1e-4 for D and 1e-3 for G, no moving average. `loss=minimax` with beta1 0.5 and"
    " `loss=jsd` with beta1 0.9: ReLU, batch 256, 2,500 steps. Unrolled protocol: `loss=jsd`, beta1 0.5, tanh,"
    " orthogonal weights of gain 0.8, batch 512, 10,000 steps (25,000 there). A mode counts with one of 2,500"
    " samples within three deviations. The alarm is that of `diagnostics.mode_collapse` with its defaults, looked at"
    " every 50 steps (100 for the unrolled protocol).",
    arms=tuple(Arm(name, recipe) for name, recipe in ARMS.items()),
    measure=measure,
    bounds=(
        *(Bound(f"{name}: modes", maximum=2.0, statement=COLLAPSES) for name in COLLAPSING),
        *(Bound(f"{name}: alarm mode_collapse at step", maximum=1000.0, statement=COLLAPSES) for name in COLLAPSING),
        Bound("unrolled protocol: modes", minimum=8.0, statement="the protocol of Unrolled GAN does not collapse"),
    ),
    picture=picture,
    caption="Samples of seed 0 (red) at six moments, over real ones (black) and D's surface, a row a run.",
    look_for="In the first two rows G's samples, in red, are in one or two places at a time, and from picture to"
    " picture they hop to others: D learns to reject where they are, and G moves on instead of spreading out. In the"
    " third row they are spread over the whole ring, but on the bridges between the modes.",
    remarks="Whether the networks see the ring in its own coordinates or scaled into [-1, 1] makes no difference"
    " here: 0 or 1 modes at 2,500 steps in two seeds of each loss either way. Few samples ever come within three"
    " deviations; the second figure counts modes that a tenth of their share of samples lies nearest to. A trial of"
    " the unrolled protocol over its 25,000 steps (seed 0, looked at every 2,000) had samples in 0 to 7 modes at a"
    " time, while the smallest share x 8 lay between 0.05 and 0.65: G spreads over all modes, on bridges between them,"
    " and goes on moving.",
)
