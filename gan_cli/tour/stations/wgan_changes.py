"""The four changes of WGAN, undone one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

SETTINGS = (
    "dataset=digits architecture=mlp_deep loss=wgan optimizer.lr=5e-4 train.steps=800 train.batch_size=128"
    " train.sample_every=400 train.eval_every=200 evaluation.samples=500 evaluation.backbone=pixels ema.half_life=0"
)
OBJECTIVES = "loss.objective._target_=gan_cli.components.losses"
# What is undone -> the overrides that undo it.
UNDONE = {
    "all four": "",
    "with a sigmoid": f" {OBJECTIVES}.SigmoidCritic",
    "with a logarithm": f" {OBJECTIVES}.Minimax",
    "no clipping": " loss.constraint=null",
    "Adam": " optimizer=adam optimizer.lr=5e-4",
}
COMMANDS = tuple(Command(f"wgan_{name.replace(' ', '_')}", SETTINGS + overrides) for name, overrides in UNDONE.items())


def draw(finished: Finished) -> Figure:
    """Plot distances to real digits and norms of G's gradient, and show the last samples of each."""
    figure, shown = panels.figure(curves=1, squares=len(UNDONE) - 2, rows=2)
    distance, gradient = shown[0], shown[len(shown) // 2]
    pictures = [panel for panel in shown if panel not in (distance, gradient)]
    for (name, command), panel in zip(zip(UNDONE, COMMANDS, strict=True), pictures, strict=False):
        run = finished[command.name].run
        frechet = run.curve("metrics/frechet/pixels")
        distance.plot(frechet.steps, frechet.values, label=name)
        norm = run.curve("grad_norm/g")
        gradient.plot(norm.steps, norm.values, label=name)
        panels.show_picture(panel, run.picture(), name)
    for panel in pictures[len(UNDONE) :]:
        panel.set_axis_off()
    distance.set(title="Frechet distance to real digits", xlabel="step", yscale="log")
    gradient.set(title="norm of G's gradient", xlabel="step", yscale="log")
    panels.legend(distance)
    return figure


STATION = Station(
    name="wgan_changes",
    question="Which of WGAN's four changes does what?",
    theory="WGAN (Arjovsky et al. 2017) changes four things in a GAN's code: D ends without a sigmoid, the"
    " losses have no logarithm, weights are clipped to [-c, c] after each update, which bounds the slope, and"
    " the optimizer has no momentum (RMSProp). `loss=wgan` makes all four at once; here each is undone by"
    " itself.",
    commands=COMMANDS,
    see="Upper left: the Frechet distance to real digits; lower left: the norm of the gradient that G gets. One of"
    " the four decides here: without clipping nothing bounds the critic's slope, G's gradient grows to ten thousand"
    " times that of the others, and the distance stays nearly twice as large. A sigmoid or a logarithm makes the"
    " gradient two to four times smaller, but RMSProp divides a gradient by its size, and with clipped weights D is"
    " hardly ever certain: the digits are as good. With Adam the distance falls first and rises again in the end:"
    " momentum follows a target that has moved.",
    change=(
        (
            "Clip to a tenth as much: the critic is too simple to teach.",
            f"gan-train {SETTINGS} loss.constraint.c=0.001",
        ),
    ),
    draw=draw,
)
