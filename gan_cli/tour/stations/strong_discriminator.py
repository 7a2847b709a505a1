"""Trouble 1: a D that is too strong. The JSD stands at log 2, and G's gradient is gone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station
from gan_cli.tour.stations.ring import NETWORKS, RING, show_samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

SETTINGS = (
    f"{RING} {NETWORKS} loss=minimax loss.d_steps=50 optimizer=adam optimizer.lr_d=1e-3 optimizer.lr_g=5e-4"
    " ema.half_life=0 train.steps=400 train.batch_size=64 train.log_every=10 train.sample_every=400"
)
COMMAND = Command("strong_discriminator", SETTINGS)


def draw(finished: Finished) -> Figure:
    """Plot D's accuracy, the JSD and G's gradient, and show the samples."""
    run = finished["strong_discriminator"].run
    figure, (accuracy, gradient, samples) = panels.figure(curves=2, squares=1)
    real, fake = run.curve("d/accuracy_real"), run.curve("d/accuracy_fake")
    accuracy.plot(real.steps, (real.values + fake.values) / 2, label="D's accuracy")
    jsd = run.curve("divergence/jsd")
    accuracy.plot(jsd.steps, jsd.values, label="JSD as D estimates it")
    accuracy.set(title="50 updates of D for each of G", xlabel="step", ylim=(0, 1.05))
    panels.reference_line(accuracy, math.log(2), "log 2")
    panels.legend(accuracy)
    norm = run.curve("grad_norm/g")
    gradient.plot(norm.steps, norm.values)
    gradient.set(title="norm of G's gradient", xlabel="step", yscale="log")
    show_samples(samples, run, "samples at the end")
    panels.legend(samples)
    return figure


STATION = Station(
    name="strong_discriminator",
    question="Why is a good D bad for G?",
    theory="The better D is trained, the closer is its loss to the JSD, and the worse it teaches. Images lie on thin"
    " surfaces in the space of all pixels, and so do samples: two thin surfaces hardly ever overlap, so a perfect D"
    " exists, and the JSD is log 2 wherever G is (Arjovsky & Bottou 2017).",
    commands=(COMMAND,),
    see="Data on eight tiny spots, samples somewhere else: the two do not overlap, and 50 updates for each of G"
    " are enough for D to separate them completely. Its accuracy is 1, the JSD stands at log 2, and the gradient"
    " of G falls by many orders of magnitude: G stays where it was. A widespread mistake says that the JSD is 0"
    " there; it is at its maximum, and what is 0 is its gradient. The run says so: see the alarm on the console.",
    change=(
        ("Train D less: the gradient stays.", f"gan-train {SETTINGS}".replace("loss.d_steps=50", "loss.d_steps=1")),
        ("Keep the strong D, but let G minimize -log D.", f"gan-train {SETTINGS}".replace("loss=minimax", "loss=jsd")),
    ),
    draw=draw,
    claim="claims.md#noise_gives_overlap",
)
