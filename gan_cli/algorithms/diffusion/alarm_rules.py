"""The alarm rule of diffusion, over plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from gan_cli.algorithms.diffusion.tags import ALARM, EXPLAINED
from gan_cli.config.diagnostics import Thresholds
from gan_cli.diagnostics.rules import Metrics, Suggestion, ThresholdRule

# Largest share of the target (epsilon or v) that a network explains where its loss does not fall.
MAX_SHARE = 0.05
# The learning rate with which denoisers of this program learn by Adam, that of conf/optimizer/adam_coder.yaml.
USUAL_RATE = 1e-3


@dataclass(frozen=True)
class LossDoesNotFall(ThresholdRule):
    """The network explains hardly more of its target, epsilon or v, than one that predicts 0 everywhere.

    Attributes:
        rate: the learning rate of the run, before any decay.
        adaptive: whether the optimizer divides the gradient by its size, as Adam does, and has a usual rate.
    """

    rate: float
    adaptive: bool = True
    limits: Thresholds = field(default_factory=Thresholds)
    name = ALARM
    needs = (EXPLAINED, "loss/total")

    def severity(self, metrics: Metrics) -> float:
        return metrics[EXPLAINED] <= MAX_SHARE

    def evidence(self, metrics: Metrics) -> str:
        if metrics[EXPLAINED] < 0:
            return f"the loss is {-metrics[EXPLAINED]:.1%} above that of a network that predicts 0"
        return f"the network explains {metrics[EXPLAINED]:.1%} of its target"

    def message(self, metrics: Metrics) -> str:
        return (
            f"the loss is {metrics['loss/total']:.3g}, and the network explains {metrics[EXPLAINED]:.1%} of"
            " its target: one that predicts 0 explains none"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        """Suggest the usual learning rate; at that rate, a smaller one where predicting 0 is better, else a larger one.

        Far from it no constant factor helps: from 1e-6 it would have to be suggested five times. An optimizer that does
        not divide the gradient by its size has no usual rate, and below it a loss far above that of 0 is a divergence.
        """
        explained = metrics[EXPLAINED]
        if self.adaptive and (self.rate > USUAL_RATE or (self.rate < USUAL_RATE and explained > -MAX_SHARE)):
            return Suggestion(f"optimizer.lr={USUAL_RATE:.2g}", "denoisers learn with it as a rule")
        if explained < 0:
            return Suggestion(f"optimizer.lr={self.rate / 4:.2g}", "smaller steps are less likely to diverge")
        return Suggestion(f"optimizer.lr={self.rate * 4:.2g}", "the network then learns more quickly")
