"""One changed pixel: what it costs by a loss that scores each pixel apart, and by a discriminator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gan_cli.protocols.arrays import FloatArray
from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

# The default run, which later stations use as well.
GAN = Command("digits", "dataset=digits train.steps=2000")
# Of a pixel, whose values lie in [-1, 1]: half the way from black to white.
CHANGE = 1.0


def change_each_pixel(image: FloatArray) -> FloatArray:
    """Return ``(H * W, 1, H, W)``: the image ``(1, H, W)`` with one pixel moved away from its end of the scale."""
    count = image.size
    changed = np.repeat(image[None], count, axis=0).reshape(count, -1)
    index = np.arange(count)
    changed[index, index] -= np.where(changed[index, index] > 0, CHANGE, -CHANGE)
    return changed.reshape(count, *image.shape)


def show_cost(panel: Axes, cost: FloatArray, title: str) -> None:
    """Show the cost of each place ``(H, W)``, on a scale from 0 to its largest size."""
    largest = float(np.abs(cost).max()) or 1.0
    image = panel.imshow(cost, cmap="RdBu_r", vmin=-largest, vmax=largest)
    panel.figure.colorbar(image, ax=panel, shrink=0.8)
    panel.set_axis_off()
    panel.set_title(title)


def draw(finished: Finished) -> Figure:
    """Show a digit, and for each place what a change of its pixel costs."""
    run = finished["digits"].run
    from gan_cli.datasets.digits import Digits

    pixels = Digits().load().array[0]
    digit: FloatArray = pixels.astype(np.float32) / 127.5 - 1
    changed = change_each_pixel(digit)
    discriminator = run.discriminator
    before, after = discriminator.scores(digit[None])[0], discriminator.scores(changed)
    squares: FloatArray = np.square(changed - digit).sum((1, 2, 3)).reshape(digit.shape[1:])
    figure, (original, apart, whole) = panels.figure(squares=3)
    panels.show_picture(original, digit[0], "a digit")
    show_cost(apart, squares, "squared error of one changed pixel")
    show_cost(whole, (before - after).reshape(digit.shape[1:]), "what D(x) loses by it")
    return figure


STATION = Station(
    name="stray_pixel",
    question="Which of two digits is worse, if both differ from the original in one pixel?",
    theory="A sum over pixels does not know what a digit is. Two images at the same squared distance from a"
    " digit, one a little thicker and one with a speck in the corner, cost the same; for a reader the first is"
    " a digit and the second is dirt. A discriminator is trained to tell real from generated images as a"
    " whole.",
    commands=(GAN,),
    see="Middle: the squared error, and any other sum of errors of single pixels, charges the same wherever the"
    " pixel stands: one that makes a stroke a little thicker costs what a stray one in the corner costs. Right: a"
    " discriminator looks at the whole image, so the price depends on the place (red: D trusts the image less;"
    " blue: more). That is the idea of a GAN: do not write the loss down, learn it.",
    change=(
        ("Over three seeds, with a VAE and with shifted, thickened and broken digits:", "python -m benchmarks.versus"),
    ),
    draw=draw,
    claim="comparisons.md#one-pixel-wherever-it-stands",
)
