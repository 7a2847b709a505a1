"""The best D for a fixed G, p / (p + q), beside a trained one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gan_cli.theory import optimal_discriminator, optimal_value
from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

COMMAND = Command(
    "best_discriminator",
    "dataset=ring8 dataset.modes=3 dataset.radius=1 dataset.std=0.3 dataset.unit=1"
    " architecture=gaussian architecture.std=[0.8,0.8] architecture.discriminator_hidden=[128,128]"
    " loss=jsd optimizer=adam optimizer.lr_g=0 optimizer.lr_d=2e-3 optimizer/decay=cosine"
    " train.steps=2000 train.batch_size=512 train.log_every=25 train.sample_every=0 ema.half_life=0",
)


def draw(finished: Finished) -> Figure:
    """Show the best and the trained D over the plane and along a line, and the value over the steps."""
    from gan_cli.tour.stations.gaussians import SIDE, Mesh

    mesh = Mesh(finished["best_discriminator"].run)
    best = optimal_discriminator(mesh.p, mesh.q)
    figure, (line, value, left, right) = panels.figure(curves=2, squares=2)
    inner = np.abs(mesh.ticks) < 2.5
    across = np.abs(mesh.ticks).argmin()
    for values, label, style in ((best, "p / (p + q)", "k--"), (mesh.discriminator, "trained D", "C0")):
        line.plot(mesh.ticks[inner], values.reshape(SIDE, SIDE)[across][inner], style, label=label)
    line.set(title="D along y = 0", xlabel="x", ylim=(0, 1))
    panels.legend(line)
    curve = mesh.run.curve("game/value")
    value.plot(curve.steps, curve.values)
    value.set(title="value of the game, V(D, G)", xlabel="updates of D")
    panels.reference_line(value, optimal_value(mesh.p, mesh.q), "-2 log 2 + 2 JSD(p, q)")
    panels.reference_line(value, -2 * math.log(2), "-2 log 2")
    size = int(inner.sum())
    for panel, values, title in ((left, best, "p / (p + q)"), (right, mesh.discriminator, "trained D")):
        middle = np.asarray(values, np.float64).reshape(SIDE, SIDE)[inner][:, inner]
        panels.surface(panel, middle.reshape(size, size), 2.5, title, "D")
    return figure


STATION = Station(
    name="best_discriminator",
    question="What does the best D know?",
    theory="For a fixed G the best D is known (proposition 1 of the paper): D*(x) = p(x) / (p(x) + q(x)). Put"
    " into the value it gives V(D*, G) = -2 log 2 + 2 JSD(p, q). So a GAN whose D is always at its best"
    " minimizes the JSD.",
    commands=(COMMAND,),
    see="Data are three Gaussians, G is one wide Gaussian and stays as it is, so p and q are known. The D that"
    " maximizes the game's value is p / (p + q): near 1 where there are more data, near 0 where there are more"
    " generated samples, 1/2 where both are as frequent. The trained D comes to it, first where there are many"
    " samples. Its value climbs from -2 log 2 to -2 log 2 + 2 JSD(p, q), and stays there: what D's loss measures"
    " is the JSD.",
    change=(
        (
            "Move G away from the data (architecture.mean) and watch divergence/jsd.",
            f"{COMMAND} architecture.mean=[2,0]",
        ),
    ),
    draw=draw,
    claim="claims.md#optimal_discriminator",
)
