"""Noise on D's inputs, which gives p and q an overlap, and is annealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station
from gan_cli.tour.stations.ring import show_samples
from gan_cli.tour.stations.strong_discriminator import COMMAND as WITHOUT
from gan_cli.tour.stations.strong_discriminator import SETTINGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

WITH = Command("noise", f"{SETTINGS} noise=linear noise.start=1 noise.end=0")


def draw(finished: Finished) -> Figure:
    """Plot D's accuracy and G's gradient with and without noise, sigma, and both runs' samples."""
    figure, (accuracy, gradient, before, after) = panels.figure(curves=2, squares=2)
    runs = {"without noise": finished["strong_discriminator"].run, "with noise": finished["noise"].run}
    for label, run in runs.items():
        real, fake = run.curve("d/accuracy_real"), run.curve("d/accuracy_fake")
        accuracy.plot(real.steps, (real.values + fake.values) / 2, label=f"D's accuracy, {label}")
        norm = run.curve("grad_norm/g")
        gradient.plot(norm.steps, norm.values, label=label)
    sigma = runs["with noise"].curve("noise/sigma")
    accuracy.plot(sigma.steps, sigma.values, "k:", label="sigma of the noise")
    accuracy.set(title="50 updates of D for each of G", xlabel="step", ylim=(0, 1.05))
    gradient.set(title="norm of G's gradient", xlabel="step", yscale="log")
    for panel in (accuracy, gradient):
        panels.legend(panel)
    for panel, (label, run) in zip((before, after), runs.items(), strict=True):
        show_samples(panel, run, label)
    return figure


STATION = Station(
    name="noise",
    question="How does noise give the gradient back?",
    theory="If D sees p and q only through noise, both are convolved with a Gaussian and overlap everywhere;"
    " the JSD of the blurred distributions changes with every move of G (Sonderby et al. 2017; Arjovsky &"
    " Bottou 2017, section 3). The noise has to go in the end, since what is learned under noise is the"
    " blurred p: it is annealed.",
    commands=(WITHOUT, WITH),
    see="The same run, but D sees data and samples through Gaussian noise, wide at first and annealed to"
    " nothing. Blurred distributions overlap everywhere, so the best D is no longer certain: its accuracy"
    " begins at 3/4 and falls as G spreads over the data, and the gradient of G stays near 1, where without noise"
    " it falls below a hundred-millionth: against a D that is trained as often as before. As sigma falls, D"
    " becomes certain again: what G has learned is the blurred p, and how much of the rest it learns depends on how"
    " slowly the noise goes.",
    change=(
        ("Let the noise follow D's accuracy instead of a schedule.", f"gan-train {SETTINGS} noise=adaptive"),
        ("Stop annealing early: noise that stays.", f"gan-train {SETTINGS} noise=constant noise.start=0.3"),
    ),
    draw=draw,
    claim="claims.md#noise_gives_overlap",
)
