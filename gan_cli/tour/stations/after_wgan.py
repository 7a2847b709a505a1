"""Successors of weight clipping: a gradient penalty, the hinge loss, relativistic pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station
from gan_cli.tour.stations.ring import show_samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

LOSSES = ("wgan", "wgan_gp", "hinge", "r3gan")
COMMAND = Command(
    "after_wgan",
    f"-m loss={','.join(LOSSES)} dataset=ring8 train.steps=2000 train.batch_size=64 train.sample_every=1000",
)


def draw(finished: Finished) -> Figure:
    """Show the samples of each loss, and the share of modes over the steps."""
    figure, (modes, *pictures) = panels.figure(curves=1, squares=len(LOSSES))
    for loss, panel in zip(LOSSES, pictures, strict=True):
        run = finished["after_wgan"].where(loss=loss)
        curve = run.curve("diagnosis/modes")
        modes.plot(curve.steps, curve.values, label=loss)
        show_samples(panel, run, loss)
    modes.set(title="effective share of the eight modes", xlabel="step", ylim=(0, 1.05))
    panels.legend(modes)
    return figure


STATION = Station(
    name="after_wgan",
    question="What came after clipping?",
    theory="Clipping bounds the slope crudely: weights end at the ends of the interval. WGAN-GP (Gulrajani et"
    " al. 2017) penalizes slopes other than 1 instead. The hinge loss (Lim & Ye 2017) keeps the critic and"
    " clips what it gains; R3GAN (Huang et al. 2024) compares pairs of real and generated samples, with a"
    " penalty on the gradient at both.",
    commands=(COMMAND,),
    see="The same ring, the same number of steps, each loss with the defaults of its option. Clipped weights make a"
    " critic too simple for eight narrow spots: G spreads around the ring. With a gradient penalty, `wgan_gp` and"
    " `r3gan`, samples gather on all eight. `hinge` has no penalty by default: G draws a thin line through the modes"
    " and gives some of them more than their share. The curves say only which center is the nearest to a sample, so"
    " the spread samples of `wgan` reach 1 as well: look at the points, or measure the share of samples within three"
    " standard deviations (`gan-eval`, high_quality).",
    change=(
        (
            "Every loss with every noise, three seeds.",
            "gan-train -m loss=jsd,wgan_gp,hinge,r3gan noise=none,linear seed=0,1,2 dataset=ring8",
        ),
    ),
    draw=draw,
    claim="claims.md#wgan_covers",
)
