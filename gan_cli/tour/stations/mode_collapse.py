"""Trouble 2: mode collapse, how it looks over time, its alarm, and what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station
from gan_cli.tour.stations.ring import NETWORKS, RING, show_samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

COLLAPSING = (
    f"{RING} {NETWORKS} loss=jsd optimizer=adam optimizer.lr_d=1e-4 optimizer.lr_g=1e-3 optimizer.betas=[0.9,0.999]"
    " ema.half_life=0 train.batch_size=256 train.sample_every=250"
)
COLLAPSE = Command("mode_collapse", f"{COLLAPSING} train.steps=2500")
COVERED = Command(
    "wgan_gp_ring",
    f"{RING} {NETWORKS} loss=wgan_gp loss.penalty.gradient.weight=10 optimizer=adam optimizer.lr=1e-3"
    " optimizer.betas=[0.5,0.9]"
    " ema.half_life=0 train.batch_size=256 train.sample_every=500 train.steps=2000",
)


def draw(finished: Finished) -> Figure:
    """Show the collapsing run at three times, what helped, and the effective share of modes."""
    collapsed, covered = finished["mode_collapse"].run, finished["wgan_gp_ring"].run
    figure, (modes, early, later, after) = panels.figure(curves=1, squares=3)
    for run, label, color in ((collapsed, "GAN, G ten times as fast as D", "C0"), (covered, "WGAN-GP", "C1")):
        curve = run.curve("diagnosis/modes")
        modes.plot(curve.steps, curve.values, color=color, label=label)
    for alarm in collapsed.alarms:
        if alarm["name"] == "mode_collapse":
            modes.axvline(alarm["step"], color="C0", linestyle=":", label="alarm: mode_collapse")
    modes.set(title="effective share of the eight modes", xlabel="step", ylim=(0, 1.05))
    panels.legend(modes)
    panels.show_picture(early, collapsed.picture(position=0.3), "GAN, earlier")
    panels.show_picture(later, collapsed.picture(position=1.0), "GAN, at the end")
    show_samples(after, covered, "WGAN-GP")
    panels.legend(after)
    return figure


STATION = Station(
    name="mode_collapse",
    question="Why does G keep to a few modes?",
    theory="D scores one sample at a time, and G is paid for each of its samples alone. Nothing rewards"
    " variety: a G that puts everything on the one spot that D trusts most is at its best for this moment. The"
    " order of min and max matters: in practice it is as much max over D of a best G as the other way round.",
    commands=(COLLAPSE, COVERED),
    see="G learns ten times as fast as D. It finds the spot that D believes in most and puts all samples there; D"
    " learns that this spot is generated, and G moves on: it hops from mode to mode and never covers them. The"
    " surface beneath the points is D(x): G goes where it is high. Nothing in the two losses shows it; the share of"
    " modes does, and the alarm `mode_collapse` is raised. A critic with a gradient penalty gives modes that are"
    " missing a high score, and G covers all eight.",
    change=(
        (
            "Let D score four samples together (PacGAN): it sees that they are all alike.",
            f"gan-train {COLLAPSING} train.steps=2500 pac=4",
        ),
        ("Let D learn as fast as G.", f"gan-train {COLLAPSING} train.steps=2500 optimizer.lr_d=1e-3"),
    ),
    draw=draw,
    claim="claims.md#mode_collapse",
)
