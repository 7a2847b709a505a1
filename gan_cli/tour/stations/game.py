"""The game: D and G take turns, and what their curves look like."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station
from gan_cli.tour.stations.stray_pixel import GAN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

MORE_STEPS_OF_D = Command("digits_k5", "dataset=digits loss.d_steps=5 train.steps=1000")


def draw(finished: Finished) -> Figure:
    """Plot D(x), D(G(z)) and the game's value for k = 1 and k = 5, and show early and late samples."""
    figure, (scores, value, early, late) = panels.figure(curves=2, squares=2)
    for name, label, color in (("digits", "k = 1", "C0"), ("digits_k5", "k = 5", "C1")):
        run = finished[name].run
        for tag, line in (("d_real/mean", "-"), ("d_fake/mean", ":")):
            curve = run.curve(tag)
            scores.plot(
                curve.steps, curve.values, line, color=color, label=f"{'D(x)' if line == '-' else 'D(G(z))'}, {label}"
            )
        curve = run.curve("game/value")
        value.plot(curve.steps, curve.values, color=color, label=label)
    scores.set(title="D on real and on generated digits", xlabel="step", ylim=(0, 1))
    panels.reference_line(scores, 0.5, "1/2: D cannot tell")
    panels.legend(scores)
    value.set(title="value of the game, V(D, G)", xlabel="step")
    panels.reference_line(value, -2 * math.log(2), "-2 log 2: p = q")
    panels.legend(value)
    run = finished["digits"].run
    panels.show_picture(early, run.picture(position=0.0), "k = 1, first samples")
    panels.show_picture(late, run.picture(), "k = 1, last samples")
    return figure


STATION = Station(
    name="game",
    question="What are the steps of the game?",
    theory="Two networks play (Goodfellow et al. 2014): D estimates the probability that a sample is real, G"
    " maps noise to samples that D takes for real. The value is V(D, G) = E log D(x) + E log(1 - D(G(z))),"
    " which D maximizes and G minimizes. They take turns: k updates of D on fresh minibatches"
    " (`loss.d_steps`), then one of G.",
    commands=(GAN, MORE_STEPS_OF_D),
    see="k times: (a) draw noise z, (b) draw data x, (c) D ascends the gradient of log D(x) + log(1 -"
    " D(G(z))). Then once: (d) draw fresh z, (e) G descends its loss, (f) begin again. D(x) and D(G(z)) begin"
    " at 1/2 and move apart. With k = 5 D is further ahead at each step: the value is closer to its maximum"
    " over D. The samples get better all the while, and D with them, so neither the losses nor D(x) say by"
    " themselves how good the samples are.",
    change=(
        (
            "Give D ten times the learning rate instead of more steps.",
            "gan-train dataset=digits optimizer.lr_d=2e-2 train.steps=1000",
        ),
        (
            "Read Algorithm 1 in the code: gan_cli/algorithms/gan/trainer.py.",
            "gan-train dataset=digits train.steps=100 loss.d_steps=2",
        ),
    ),
    draw=draw,
)
