"""Autoencoder and VAE: a code that can be decoded, and a code that can be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

AUTOENCODER = Command("autoencoder", "dataset=digits algorithm=autoencoder train.steps=1500")
VAE = Command("vae", "dataset=digits algorithm=vae algorithm/likelihood=gaussian train.steps=1500")


def draw(finished: Finished) -> Figure:
    """Show reconstructions and samples of both."""
    figure, shown = panels.figure(squares=4)
    for (name, label), (left, right) in zip(
        (("autoencoder", "autoencoder"), ("vae", "VAE")), (shown[:2], shown[2:]), strict=True
    ):
        run = finished[name].run
        panels.show_picture(left, run.picture("reconstructions"), f"{label}: digits and reconstructions")
        panels.show_picture(right, run.picture(), f"{label}: samples")
    return figure


STATION = Station(
    name="vae",
    question="Why not just decode a random code?",
    theory="An autoencoder is trained to reproduce its input through a narrow code. A variational autoencoder"
    " (Kingma & Welling 2014) maximizes a lower bound on log p(x): the expected log-likelihood of x given its"
    " code, minus KL(q(z | x) || N(0, I)). Both score an image as a sum over pixels.",
    commands=(AUTOENCODER, VAE),
    see="An autoencoder learns to encode a digit in a few numbers and to decode them again; its reconstructions"
    " are good. But nothing says where codes lie, so a code drawn at random mostly decodes to no digit (here a"
    " Gaussian was fitted to the codes first, which helps). The VAE adds KL(q(z|x) || N(0, I)) to the loss: codes"
    " are now spread like N(0, I), and can be drawn. The price is blur: of all digits that a code may stand for"
    " the decoder returns the mean, because each pixel is scored apart from the others.",
    change=(
        (
            "Weigh the KL divergence less: reconstructions get sharper, samples worse.",
            "gan-train dataset=digits algorithm=vae algorithm.beta.start=0.1",
        ),
        ("Walk between digits in the space of codes.", "gan-sample outputs/tour/runs/vae --walk walk.webp"),
    ),
    draw=draw,
)
