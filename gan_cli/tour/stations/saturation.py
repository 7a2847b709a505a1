"""The gradient of log(1 - D(G(z))) against that of -log D(G(z)) while D learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

COMMON = "dataset=digits architecture=mlp optimizer=adam optimizer.lr_d=2e-4"
FIXED = Command(
    "fixed_generator", f"{COMMON} loss=jsd optimizer.lr_g=0 train.steps=600 train.log_every=5 train.sample_every=0"
)
FIRST = Command(
    "first_hundred",
    f"-m loss=minimax,jsd {COMMON.replace('lr_d=2e-4', 'lr_d=2e-3')} optimizer.lr_g=2e-4 loss.d_steps=10"
    f" train.steps=100"
    " train.log_every=2 train.sample_every=0",
)


def draw(finished: Finished) -> Figure:
    """Plot both gradients for a fixed G, and those that two generators followed in their first hundred steps."""
    figure, (fixed, first) = panels.figure(curves=2)
    run = finished["fixed_generator"].run
    for tag, label in (("saturating", "log(1 - D)"), ("non_saturating", "-log D")):
        curve = run.curve(f"diagnosis/gradient_{tag}")
        fixed.plot(curve.steps, curve.values, label=label)
    fixed.set(title="gradient at a generated sample, G fixed", xlabel="updates of D", yscale="log")
    for loss, label in (("minimax", "G minimizes log(1 - D)"), ("jsd", "G minimizes -log D")):
        curve = finished["first_hundred"].where(loss=loss).curve("grad_norm/g")
        first.plot(curve.steps, curve.values, label=label)
    first.set(title="norm of G's gradient, ten updates of D for each of G", xlabel="step", yscale="log")
    for panel in (fixed, first):
        panels.legend(panel)
    return figure


STATION = Station(
    name="saturation",
    question="log(1 - D(G(z))) or -log D(G(z)): which should G minimize?",
    theory="In the beginning D rejects G's samples with confidence. There log(1 - D(G(z))), which the value asks G to"
    " minimize, is flat: it saturates. The paper proposes to minimize -log D(G(z)) instead, which has the same fixed"
    " points and a large gradient where D rejects.",
    commands=(FIXED, FIRST),
    see="Left: while D learns to tell a fixed G's samples from digits, the gradient of log(1 - D) falls by"
    " orders of magnitude; that of -log D does not. Both point in the same direction; their ratio is (1 - D) /"
    " D, which is large where D rejects. Right: two generators in their first hundred steps against a quick D."
    " In the first steps, where D rejects nearly everything, the gradient of log(1 - D) is hundreds of times"
    " smaller. How far G gets differs less than that, since Adam divides each gradient by its own size."
    " `loss=jsd` is the non-saturating loss, with which nearly everybody trains; `loss=minimax` is the one"
    " that the theory is about.",
    change=(
        (
            "Plain gradient descent, where the size of a gradient counts: compare D(G(z)).",
            f"gan-train {FIRST.line}".replace("optimizer=adam", "optimizer=sgd"),
        ),
        (
            "Train D as often as G: the difference nearly goes away.",
            f"gan-train {FIRST.line}".replace("loss.d_steps=10", "loss.d_steps=1"),
        ),
    ),
    draw=draw,
    claim="claims.md#vanishing_gradient",
)
