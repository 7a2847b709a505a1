"""What figures of a VAE have to say for an alarm. Plain numbers; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.config.diagnostics import PosteriorSection
from gan_cli.diagnostics.rules import Advice, Figures, Limited

# Dimensions whose posterior mean varies by more than this are in use (Burda et al. 2016, appendix C).
ACTIVE_VARIANCE = 0.01


@dataclass(frozen=True)
class PosteriorCollapse(Limited):
    """The posterior is the prior whatever the sample: nothing of it goes through the code."""

    limits: PosteriorSection
    name = "posterior_collapse"
    needs = ("vae/active_share", "vae/active_units", "vae/kl", "vae/beta")

    def shows(self, now: Figures) -> float:
        """Hardly a dimension in use."""
        return now["vae/active_share"] <= self.limits.active

    def says(self, now: Figures) -> str:
        """With dimensions and nats."""
        return (
            f"{now['vae/active_units']:.0f} dimensions of z ({now['vae/active_share']:.0%}) vary from sample to sample,"
            f" and the code holds {now['vae/kl']:.2g} nats: the decoder does without it"
        )

    def advises(self, now: Figures) -> Advice:
        """A KL that costs less at first; where its weight is already low or 0, room that costs nothing."""
        if now["vae/beta"] >= 1:
            reason = "the KL then costs nothing at first, while the decoder learns to use the code"
            return Advice("algorithm/beta=linear", reason)
        return Advice("algorithm.free_bits=0.1", "each dimension may then hold so many nats without a cost")
