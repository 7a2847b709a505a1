"""Text: samples that are chosen have no gradient, and policy gradients do without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gan_cli.tour import panels
from gan_cli.tour.station import Command, Station

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gan_cli.tour.station import Finished

COMMAND = Command(
    "text",
    "algorithm=seqgan dataset=oracle dataset.count=2000 architecture.reader_model.sizes=[1,2,3,4,5]"
    " architecture.reader_model.filters=[32,32,32,32,32] algorithm.estimator.count=2 algorithm.mle_epochs=12"
    " algorithm.d_pretraining=3 algorithm.d_samples=500 algorithm.measured=500 train.steps=25",
)
# Rewards of two tokens, and how many are sampled for one estimate of the gradient.
REWARDS = np.array([0.2, 0.9])
DRAWS = 200


def draw(finished: Finished) -> Figure:
    """Plot reward and gradient of one choice between two tokens, and the likelihood of a SeqGAN by phases."""
    figure, (reward, gradient, likelihood) = panels.figure(curves=3)
    logits = np.linspace(-4, 4, 81)
    second = 1 / (1 + np.exp(-logits))
    reward.plot(logits, np.where(logits > 0, REWARDS[1], REWARDS[0]), label="of the likelier token")
    reward.plot(logits, REWARDS[0] + (REWARDS[1] - REWARDS[0]) * second, label="expected, over samples")
    reward.set(title="reward of one chosen token", xlabel="logit of the better token", ylim=(0, 1))
    exact = (REWARDS[1] - REWARDS[0]) * second * (1 - second)
    gradient.plot(logits, exact, "k--", label="exact slope of the expected reward")
    random = np.random.default_rng(0)
    chosen = random.random((DRAWS, len(logits))) < second
    estimates = (np.where(chosen, REWARDS[1], REWARDS[0]) * (chosen - second)).mean(0)
    gradient.plot(logits, estimates, "C1.", label=f"policy gradient, {DRAWS} samples")
    gradient.set(title="what G can learn from", xlabel="logit of the better token")
    run = finished["text"].run
    curve = run.curve("metrics/nll_oracle")
    likelihood.plot(curve.steps, curve.values)
    phase = run.curve("phase")
    for step in phase.steps[1:][np.diff(phase.values) != 0]:
        likelihood.axvline(step - 1, color="black", linewidth=0.8, linestyle=":")
    likelihood.set(
        title="oracle's negative log-likelihood of G's text", xlabel="epoch (dotted: next phase)", ylabel="nats a token"
    )
    for panel in (reward, gradient):
        panels.legend(panel)
    return figure


STATION = Station(
    name="text",
    question="Why can the gradient not pass through text?",
    theory="Text is a sequence of choices among words. A small change of G's logits changes no chosen word, or"
    " replaces it: the reward of the chosen words is piecewise constant, and its gradient is zero. SeqGAN (Yu"
    " et al. 2017) treats G as a policy: the gradient of the expected reward is E[reward x gradient of log"
    " p(word)], which needs only samples and D's score of whole sentences.",
    commands=(COMMAND,),
    see="Left: the reward of the likelier word jumps where the logits are equal and is flat elsewhere; the expected"
    " reward over sampled words is smooth. Middle: the policy gradient estimates the slope of the expected reward"
    " from samples of words and their rewards alone, with noise. Right: a small SeqGAN on the synthetic oracle of the"
    " paper. Maximum likelihood brings the oracle's negative log-likelihood of G's sentences down until it stops"
    " falling; while D alone learns, G stays as it is; in the game D's rewards bring it down a little further, with"
    " much noise.",
    change=(
        ("A text of your own, a sentence a line.", "gan-train algorithm=seqgan dataset=text dataset.path=captions.txt"),
        (
            "A relaxed choice instead of a sampled one.",
            f"gan-train {COMMAND.line} algorithm/estimator=gumbel".replace(" algorithm.estimator.count=2", ""),
        ),
    ),
    draw=draw,
)
