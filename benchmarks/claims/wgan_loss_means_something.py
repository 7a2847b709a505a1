"""Whether what D's loss estimates falls as samples get better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from benchmarks.claims.charts import Floats, Line, Panel, chart
from benchmarks.claims.claim import Arm, Bound, Claim, Figures, Runs
from benchmarks.claims.harness import Run

ARMS = {"wgan": "divergence/wasserstein", "jsd": "divergence/jsd"}
FRECHET = "metrics/frechet/classifier"
# Reports that a smoothed estimate is the median of.
WINDOW = 5


def smoothed(values: Floats) -> Floats:
    """Running median of the ``WINDOW`` latest values, ``(N,)``; fewer at the start."""
    return np.array([np.median(values[max(0, end - WINDOW) : end]) for end in range(1, len(values) + 1)])


def spearman(first: Floats, second: Floats) -> float:
    """Correlation of ranks; 0 where one of both never changes."""
    from scipy.stats import rankdata  # slow to import

    ranks = rankdata(first), rankdata(second)
    return float(np.corrcoef(*ranks)[0, 1]) if all(each.std() > 0 for each in ranks) else 0.0


def paired(run: Run, tag: str) -> tuple[Floats, Floats]:
    """The smoothed estimate and the distance, wherever the latter was measured."""
    estimate, distance = run.curve(tag), run.curve(FRECHET)
    at = np.searchsorted(estimate.steps, distance.steps)
    return smoothed(estimate.values)[at], distance.values


def measure(runs: Runs) -> Figures:
    """Rank correlations, and how far each got."""
    figures = {f"{name}: Spearman correlation": spearman(*paired(runs[name], tag)) for name, tag in ARMS.items()}
    for name in ARMS:
        distance = runs[name].curve(FRECHET).values
        figures[f"{name}: frechet/classifier, first"] = float(distance[0])
        figures[f"{name}: frechet/classifier, last"] = float(distance[-1])
    return figures


def picture(seeds: Sequence[Runs]) -> Image.Image:
    """Estimate and distance, each over the steps, as shares of their largest values."""
    panels = []
    for name, tag in ARMS.items():
        lines = []
        for runs in seeds:
            steps = runs[name].curve(FRECHET).steps
            for colour, values in enumerate(paired(runs[name], tag)):
                label = ("D's estimate", "frechet/classifier")[colour]
                lines.append(Line(label, steps, values / np.abs(values).max(), colour))
        panels.append(Panel(f"{name}: shares of the largest value", "step", lines, low=0.0))
    return chart(panels)


CLAIM = Claim(
    name="wgan_loss_means_something",
    statement="The critic's estimate falls as samples get better, unlike the estimate of the JSD (Arjovsky et al. 2017,"
    " figures 3 and 4).",
    protocol="MNIST; G with hidden layers of 256 and 512 and batch norm, D with 512 and 256, batch 64, no moving average."
    " `loss=wgan` (0.01, five critic steps, RMSProp, WGAN_RATE), and `loss=jsd` (Adam at 2e-4), STEPS steps each."
    " `frechet/classifier` of 2,000 samples every EVERY steps; D's estimate every 20, smoothed by the median of the"
    f" latest {WINDOW} reports; rank correlation of the two over the run. Near none is taken to mean 0.3 at most, either sign"
    " included: an estimate that rises as samples get better tells a user nothing good.",
    arms=tuple(Arm(name, f"claim_wgan_loss_means_something_{name}") for name in ARMS),
    measure=measure,
    bounds=(
        Bound("wgan: Spearman correlation", least=0.8),
        Bound("jsd: Spearman correlation", most=0.3),
    ),
    picture=picture,
    shows="The smoothed estimate and the distance, each divided by its largest value, every seed.",
)
