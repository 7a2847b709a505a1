"""Information, entropy and cross-entropy: what a message tells, and what a wrong model of it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gan_cli.theory import cross_entropy, entropy, information
from gan_cli.tour import panels
from gan_cli.tour.station import Station

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

# Probability of heads, of the coin whose cross-entropy is shown.
HEADS = 0.8
BITS = 2.0


def draw(finished: Finished) -> Figure:
    """Draw information, the entropy of a coin, and cross-entropy over the model's belief."""
    figure, (surprise, coin, crossed) = panels.figure(curves=3)
    p = np.linspace(0.005, 0.995, 199)
    surprise.plot(p, information(p, BITS))
    surprise.set(title="information of an event", xlabel="its probability p", ylabel="-log2 p, bits", ylim=(0, None))
    coin.plot(p, [entropy((each, 1 - each), BITS) for each in p])
    coin.set(title="entropy of a coin: the mean information", xlabel="probability of heads", ylabel="H, bits")
    panels.reference_line(coin, 1.0, "1 bit: nothing is known")
    coin.set_ylim(0, 1.15)
    true = (HEADS, 1 - HEADS)
    crossed.plot(p, [cross_entropy(true, (q, 1 - q), BITS) for q in p], label="H(p, q)")
    crossed.set(title=f"cross-entropy: heads come with p = {HEADS:g}", xlabel="q, the model's probability", ylim=(0, 4))
    panels.reference_line(crossed, entropy(true, BITS), "H(p)")
    crossed.axvline(HEADS, color="black", linewidth=0.8, linestyle=":")
    panels.legend(crossed)
    return figure


STATION = Station(
    name="information",
    question="How much does a message tell?",
    theory="An event of probability p tells -log p: in bits with base 2, in nats with base e. The entropy H(p)"
    " = -sum p log p is what an outcome tells on average. Whoever believes in q instead of p pays the"
    " cross-entropy H(p, q) = -sum p log q, and the difference is the Kullback-Leibler divergence, KL(p || q)"
    " = H(p, q) - H(p) >= 0.",
    commands=(),
    see="Left: the rarer an event, the more it tells; what is certain tells nothing. Middle: the mean over all"
    " outcomes is the entropy, largest where nothing is known. Right: who codes with q what comes with p pays the"
    " cross-entropy. It is smallest at q = p, where it is H(p); what is paid above that is KL(p || q). To train"
    " with the logarithm of a probability as loss is to minimize a cross-entropy: so does D, whose question is"
    " real or generated.",
    change=(("The functions are there to be called:", 'python -c "from gan_cli import theory; help(theory)"'),),
    draw=draw,
)
