"""What a step of SeqGAN is: a function of the step alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """What is trained; the value is what ``phase`` says of it."""

    imitation = 0
    judgement = 1
    game = 2


@dataclass(frozen=True)
class Phases:
    """First G alone, then D alone, then both.

    Attributes:
        mle: steps of G alone, an epoch of maximum likelihood each.
        discriminator: steps of D alone, an epoch each.
    """

    mle: int
    discriminator: int

    def at(self, step: int) -> tuple[Phase, int]:
        """The phase of ``step``, and how many steps of that phase went before."""
        if step < self.mle:
            return Phase.imitation, step
        if step < self.mle + self.discriminator:
            return Phase.judgement, step - self.mle
        return Phase.game, step - self.mle - self.discriminator
