"""The alarm rule of diffusion, over plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from gan_cli.algorithms.diffusion.tags import ALARM, EXPLAINED
from gan_cli.config.diagnostics import Thresholds
from gan_cli.diagnostics.rules import Metrics, Suggestion, ThresholdRule

# Largest share of the target (epsilon or v) that a network explains where its loss does not fall.
MAX_SHARE = 0.05


@dataclass(frozen=True)
class LossDoesNotFall(ThresholdRule):
    """The network explains hardly more of its target, epsilon or v, than one that predicts 0 everywhere.

    Attributes:
        rate: the learning rate of the run, before any decay.
    """

    rate: float
    limits: Thresholds = field(default_factory=Thresholds)
    name = ALARM
    needs = (EXPLAINED, "loss/total")

    def severity(self, metrics: Metrics) -> float:
        return metrics[EXPLAINED] <= MAX_SHARE

    def evidence(self, metrics: Metrics) -> str:
        return f"the network explains {metrics[EXPLAINED]:.1%} of the noise that it is to predict"

    def message(self, metrics: Metrics) -> str:
        return (
            f"the loss is {metrics['loss/total']:.3g}, and the network explains {metrics[EXPLAINED]:.1%} of"
            " its target: one that predicts 0 explains none"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        """Suggest a smaller learning rate where the loss is worse than that of no prediction, else a larger one."""
        if metrics[EXPLAINED] < 0:
            return Suggestion(f"optimizer.lr={self.rate / 4:.2g}", "smaller steps are less likely to diverge")
        return Suggestion(f"optimizer.lr={self.rate * 4:.2g}", "the network then learns more quickly")
