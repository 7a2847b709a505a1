"""The game's value at the best D over the distance of p and q: it saturates at 0, where the JSD is log 2."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gan_cli.theory import optimal_value
from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

COMMAND = Command(
    "value",
    "-m dataset=ring8 dataset.modes=1 dataset.radius=1 dataset.std=0.4 dataset.unit=1"
    " architecture=gaussian architecture.std=[0.4,0.4] architecture.mean=[1,0],[1.5,0],[2,0],[3,0],[4,0]"
    " architecture.discriminator_hidden=[64,64] loss=jsd optimizer=adam optimizer.lr_g=0 optimizer.lr_d=2e-3"
    " optimizer/decay=cosine train.steps=800 train.batch_size=512 train.sample_every=0 ema.half_life=0",
)
TAIL = 0.2


def draw(finished: Finished) -> Figure:
    """Plot value and JSD over the distance of the means: exact, and as trained discriminators estimate them."""
    from gan_cli.tour.stations.gaussians import Mesh

    meshes = [Mesh(run) for run in finished["value"].runs]
    # The only mode lies at (radius, 0).
    distances = [float(mesh.run.config.architecture.mean[0] - mesh.run.config.dataset.radius) for mesh in meshes]
    exact = np.array([optimal_value(mesh.p, mesh.q) for mesh in meshes])
    trained = np.array([mesh.run.tail_mean("game/value", TAIL) for mesh in meshes])
    order = np.argsort(distances)
    places = np.array(distances)[order]
    figure, (value, jsd) = panels.figure(curves=2)
    for panel, shift, scale in ((value, 0.0, 1.0), (jsd, 2 * math.log(2), 0.5)):
        panel.plot(places, scale * (exact[order] + shift), "k--", label="exact, at the best D")
        panel.plot(places, scale * (trained[order] + shift), "C0o", label="trained D")
        panel.set_xlabel("distance of the means of p and q (each of width 0.4)")
    value.set(title="value of the game, V(D, G)", ylim=(-1.5, 0.1))
    panels.reference_line(value, -2 * math.log(2), "-2 log 2: p = q")
    jsd.set(title="JSD(p, q), nats", ylim=(-0.03, 0.75))
    panels.reference_line(jsd, math.log(2), "log 2")
    panels.legend(value)
    return figure


STATION = Station(
    name="value",
    question="What is the game worth?",
    theory="Since JSD is between 0 and log 2, the value at the best D is between -2 log 2, where p = q, and 0,"
    " where p and q share nothing. With p and q known, the exact value can be computed beside the one that a"
    " trained D reaches: the run logs it as `game/value`.",
    commands=(COMMAND,),
    see="With the best D the value is -2 log 2 + 2 JSD(p, q): -2 log 2 = -1.39 where p = q, where D can only"
    " guess, and 0 where they do not overlap, where D is certain. Trained discriminators find these values. From a"
    " distance of about five widths on the curve is flat: the JSD is log 2, whether G is 2 or 3 away. G is asked"
    " to minimize a function that no longer changes.",
    change=(
        (
            "Wider distributions overlap for longer.",
            f"{COMMAND}".replace("std=0.4", "std=1").replace("[0.4,0.4]", "[1,1]"),
        ),
    ),
    draw=draw,
    claim="claims.md#jsd_saturates",
)
