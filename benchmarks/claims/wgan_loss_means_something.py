"""Correlate the divergence that D's loss estimates with the quality of samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from benchmarks.claims import charts
from benchmarks.claims.charts import Floats
from benchmarks.claims.claim import Arm, Bound, Claim, Metrics, Runs
from benchmarks.claims.harness import Run

ARMS = {"wgan": "divergence/wasserstein", "gp": "divergence/wasserstein", "jsd": "divergence/jsd"}
FRECHET = "metrics/frechet/classifier"
# Reports that a smoothed estimate is the median of.
WINDOW = 5
# Until this step all of G's samples are one grey blot.
SAMPLES_VISIBLE_STEP = 360


def smoothed(values: Floats) -> Floats:
    """Return the running median of the ``WINDOW`` latest values, ``(N,)``; of fewer at the start."""
    return np.array([np.median(values[max(0, end - WINDOW) : end]) for end in range(1, len(values) + 1)])


def spearman(first: Floats, second: Floats) -> float:
    """Return the rank correlation; 0 where one of the series is constant."""
    from scipy.stats import rankdata  # slow to import

    ranks = rankdata(first), rankdata(second)
    return float(np.corrcoef(*ranks)[0, 1]) if all(each.std() > 0 for each in ranks) else 0.0


def paired(run: Run, tag: str) -> tuple[Floats, Floats]:
    """Return the smoothed estimate and the distance at the steps where the distance was measured."""
    estimate, distance = run.curve(tag), run.curve(FRECHET)
    at = np.searchsorted(estimate.steps, distance.steps)
    return smoothed(estimate.values)[at], distance.values


def measure(runs: Runs) -> Metrics:
    """Compute rank correlations over the run and over its later part, and the first and last distances."""
    metrics = {}
    for name, tag in ARMS.items():
        estimate, distance = paired(runs[name], tag)
        later = runs[name].curve(FRECHET).steps >= SAMPLES_VISIBLE_STEP
        metrics[f"{name}: Spearman correlation"] = spearman(estimate, distance)
        metrics[f"{name}: Spearman correlation from step {SAMPLES_VISIBLE_STEP}"] = spearman(
            estimate[later], distance[later]
        )
        metrics[f"{name}: frechet/classifier, first"] = float(distance[0])
        metrics[f"{name}: frechet/classifier, last"] = float(distance[-1])
    return metrics


def picture(seeds: Sequence[Runs]) -> Figure:
    """Plot estimate and distance over the steps, as shares of their largest values."""
    figure, panels = charts.figure(curves=len(ARMS))
    for panel, (name, tag) in zip(panels, ARMS.items(), strict=True):
        panel.set(title=f"{name}: share of the largest value", xlabel="step")
        for runs in seeds:
            steps = runs[name].curve(FRECHET).steps
            for label, values in zip(("D's estimate", "frechet/classifier"), paired(runs[name], tag), strict=True):
                color = "C0" if label == "D's estimate" else "C1"
                panel.plot(steps, values / np.abs(values).max(), color, label=label)
        charts.legend(panel)
    return figure


CLAIM = Claim(
    name="wgan_loss_means_something",
    statement="The critic's estimate falls as samples get better, unlike the estimate of the JSD (Arjovsky et al."
    " 2017, figures 3 and 4).",
    protocol="MNIST; G with hidden layers of 256 and 512 and batch norm, D with 512 and 256, batch 64, no moving"
    " average, 2,400 steps: `loss=wgan` (clipped to 0.01, five critic steps, RMSProp at 5e-4), `loss=wgan_gp` (five"
    " critic steps, Adam at 1e-4 with betas (0.5, 0.9)) and `loss=jsd` (Adam at 2e-4). `frechet/classifier` of 2,000"
    f" samples every 120 steps; D's estimate every 20, smoothed by the median of the latest {WINDOW} reports; rank"
    " correlation of the two over the whole run. Near none is taken to mean -0.3 to 0.3.",
    arms=tuple(Arm(name, f"claim_wgan_loss_means_something_{name}") for name in ARMS),
    measure=measure,
    bounds=(
        Bound("wgan: Spearman correlation", minimum=0.8),
        Bound("gp: Spearman correlation", minimum=0.8),
        Bound("jsd: Spearman correlation", minimum=-0.3, maximum=0.3),
    ),
    picture=picture,
    look_for="Two curves that fall together mean that D's estimate says how good the samples are. After the first"
    " steps they do for WGAN-GP. For the original loss the estimate rises while the distance falls: a better D, not"
    " worse samples.",
    caption="The smoothed estimate and the distance, each divided by its largest value, every seed.",
    remarks="Tuned: the learning rate of the clipped critic, ten times that of the paper, because at 5e-5 G had not"
    " left its first grey blot after 1,600 of 2,400 steps (seed 0: correlation -0.46), and at 2e-4 the estimate rose"
    " until step 800 (-0.13); the warm-up of the authors' code at 5e-4 made it -0.63. What spoils the correlation is"
    " the beginning: G first moves to the mean of the data, a blot in which a critic finds little to tell apart, and"
    f" then the estimate rises while samples get better. From step {SAMPLES_VISIBLE_STEP} on, which is listed beside it"
    " without a bound, it follows their quality under the gradient penalty in every seed, and under clipping in some;"
    " whether a longer run would, where the beginning weighs less, was not tried. The estimate of the JSD is worse than"
    " unrelated: it rises while samples get better, since D gets better too.",
)
