"""The phases of a SeqGAN run: maximum likelihood, discriminator, then adversarial rounds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """Phase of training; the values are those of the tag ``phase``."""

    mle = 0
    discriminator = 1
    adversarial = 2


# What a step is in each phase.
STEP_OF = {
    Phase.mle: "epoch {} of maximum likelihood",
    Phase.discriminator: "epoch {} of D alone",
    Phase.adversarial: "adversarial round {}",
}


@dataclass(frozen=True)
class Phases:
    """Lengths of the phases: pretraining of G, pretraining of D, then adversarial training.

    Attributes:
        mle: steps of G alone, an epoch of maximum likelihood each.
        discriminator: steps of D alone, an epoch each.
    """

    mle: int
    discriminator: int

    def at(self, step: int) -> tuple[Phase, int]:
        """Return the phase of ``step``, and the number of earlier steps in that phase."""
        if step < self.mle:
            return Phase.mle, step
        if step < self.mle + self.discriminator:
            return Phase.discriminator, step - self.mle
        return Phase.adversarial, step - self.mle - self.discriminator

    def describe(self, step: int) -> str:
        """Return what ``step``, counted from 0, is: ``epoch 3 of maximum likelihood``."""
        phase, earlier = self.at(step)
        return STEP_OF[phase].format(earlier + 1)
