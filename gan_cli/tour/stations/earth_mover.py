"""The earth mover's distance of parallel lines, beside their Jensen-Shannon divergence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

COMMAND = Command(
    "earth_mover",
    "-m loss=jsd,wgan_gp dataset=parallel_lines dataset.theta=0,0.1,0.25,0.5,1 architecture=segment"
    " architecture.discriminator_hidden=[128,128] loss.d_steps=1 optimizer=adam optimizer/decay=cosine"
    " optimizer.lr_d=2e-3 optimizer.lr_g=0 optimizer.betas=[0.5,0.9] train.steps=600 train.batch_size=256"
    " train.sample_every=0 ema.half_life=0",
)
TAIL = 0.2
TAGS = {"jsd": "divergence/jsd", "wgan_gp": "divergence/wasserstein"}


def draw(finished: Finished) -> Figure:
    """Plot both estimates over the distance of the lines."""
    figure, (jsd, wasserstein) = panels.figure(curves=2)
    for panel, loss in ((jsd, "jsd"), (wasserstein, "wgan_gp")):
        runs = [run for run in finished["earth_mover"].runs if run.overrides["loss"] == loss]
        thetas = [float(run.overrides["dataset.theta"]) for run in runs]
        panel.plot(thetas, [run.tail_mean(TAGS[loss], TAIL) for run in runs], "C0o", label="estimate of a trained D")
        panel.set_xlabel("theta, the distance of the lines")
    line = np.array([0.0, 1.0])
    wasserstein.plot(line, line, "k--", label="theta")
    jsd.set(title="JSD, nats", ylim=(-0.05, 0.8))
    panels.reference_line(jsd, math.log(2), "log 2")
    wasserstein.set(title="earth mover's distance", ylim=(-0.1, 1.1))
    for panel in (jsd, wasserstein):
        panels.legend(panel)
    return figure


STATION = Station(
    name="earth_mover",
    question="Which distance still has a slope where there is no overlap?",
    theory="The earth mover's distance W(p, q) is the least cost of carrying the mass of q to p, mass times"
    " distance. It is small when q is near p, overlap or not. By Kantorovich and Rubinstein it is the largest"
    " E f(x) - E f(G(z)) over all f whose slope is at most 1, which a network, the critic, can search for.",
    commands=(COMMAND,),
    see="Data on one line, samples on a parallel one at distance theta. The JSD is log 2 for every theta but 0,"
    " where it jumps to 0: no slope anywhere. To carry the mass of one line to the other costs theta: the earth"
    " mover's distance has slope 1 wherever one is. A critic without sigmoid, whose slope is bounded, estimates it"
    " as E f(x) - E f(G(z)).",
    change=(
        (
            "Without a bound on the critic's slope the estimate grows without end.",
            f"{COMMAND}".replace("loss=jsd,wgan_gp", "loss=wgan").replace(
                "dataset.theta=0,0.1,0.25,0.5,1", "dataset.theta=0.5"
            )
            + " loss/penalty=none loss.constraint=null",
        ),
    ),
    draw=draw,
    claim="claims.md#jsd_saturates",
)
