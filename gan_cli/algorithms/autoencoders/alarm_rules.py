"""The alarm rule of VAEs."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.config.diagnostics import PosteriorSection
from gan_cli.diagnostics.rules import Metrics, Suggestion, ThresholdRule

# Dimensions whose posterior mean varies by more than this are in use (Burda et al. 2016, appendix C).
ACTIVE_VARIANCE = 0.01
# Nats a dimension that are suggested where there are none for free.
DEFAULT_FREE_BITS = 0.1


@dataclass(frozen=True)
class PosteriorCollapse(ThresholdRule):
    """The posterior equals the prior for every sample, so that the latent code carries no information about it.

    Attributes:
        limits: thresholds.
        end: the weight of the KL at the end of its schedule; None: the weight is constant.
        free_bits: nats that each dimension may hold at no cost.
    """

    limits: PosteriorSection
    end: float | None = None
    free_bits: float = 0.0
    name = "posterior_collapse"
    needs = ("vae/active_share", "vae/active_units", "vae/kl", "vae/beta")

    def severity(self, metrics: Metrics) -> float:
        return metrics["vae/active_share"] <= self.limits.active

    def evidence(self, metrics: Metrics) -> str:
        return f"{metrics['vae/active_share']:.0%} of z's dimensions are in use"

    def message(self, metrics: Metrics) -> str:
        return (
            f"{metrics['vae/active_units']:.0f} dimensions of z ({metrics['vae/active_share']:.0%}) vary from sample to"
            f" sample, and the code holds {metrics['vae/kl']:.2g} nats: the decoder ignores it"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        """Suggest a weight of the KL of 1; where it is 1, annealing from 0; where it is annealed or less, free bits."""
        if metrics["vae/beta"] > 1:
            key = "start" if self.end is None or self.end <= 1 else "end"
            return Suggestion(f"algorithm.beta.{key}=1", "a larger weight empties the code")
        if metrics["vae/beta"] == 1 and self.end is None:
            reason = "the KL then costs nothing at first, while the decoder learns to use the code"
            return Suggestion("algorithm/beta=linear algorithm.beta.start=0", reason)
        bits = 2 * self.free_bits or DEFAULT_FREE_BITS
        return Suggestion(
            f"algorithm.free_bits={bits:.2g}", "each dimension may then hold up to this many nats at no cost"
        )
