"""Alarm rules of GANs, one class per alarm.

A rule is a pure function of the metrics of one report. Counting reports and raising alarms is left to the monitor.
"""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.config.diagnostics import (
    CollapseSection,
    DiagnosticsSection,
    OscillationSection,
    OverfitSection,
    TooStrongSection,
    TooWeakSection,
    VanishingSection,
)
from gan_cli.diagnostics.rules import CLASS_KL, AlarmRule, Metrics, Suggestion, ThresholdRule


def alarm_rules(limits: DiagnosticsSection, divergence: str, ceiling: float | None) -> list[AlarmRule]:
    """Return the rules of all alarms with a patience above 0.

    Args:
        limits: thresholds of all alarms.
        divergence: name of the divergence that the objective estimates.
        ceiling: its largest value; None: unbounded, as a critic's.
    """
    tag = f"divergence/{divergence}"
    rules: list[AlarmRule] = [
        VanishingGradient(limits.vanishing_gradient),
        ModeCollapse(limits.mode_collapse, critic=ceiling is None),
        DiscriminatorTooWeak(limits.discriminator_too_weak),
        DiscriminatorOverfits(limits.discriminator_overfits, tag, ceiling),
        Oscillation(limits.oscillation),
    ]
    if ceiling is not None:  # a critic without a ceiling is to be trained to optimality (Arjovsky et al. 2017)
        rules.insert(0, DiscriminatorTooStrong(limits.discriminator_too_strong, tag, ceiling))
    return [rule for rule in rules if rule.patience]


@dataclass(frozen=True)
class DiscriminatorTooStrong(ThresholdRule):
    """D is nearly always right and its divergence is at the ceiling, where the divergence has gradient 0."""

    limits: TooStrongSection
    divergence: str
    ceiling: float
    name = "discriminator_too_strong"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("d/accuracy_real", "d/accuracy_fake", self.divergence, "noise/sigma", "lr/d")

    def severity(self, metrics: Metrics) -> float:
        accuracy = min(metrics["d/accuracy_real"], metrics["d/accuracy_fake"])
        return accuracy >= self.limits.accuracy and metrics[self.divergence] >= self.limits.divergence * self.ceiling

    def message(self, metrics: Metrics) -> str:
        return (
            f"D is right about {metrics['d/accuracy_real']:.1%} of real and {metrics['d/accuracy_fake']:.1%} of"
            f" generated samples, and {self.divergence} is {metrics[self.divergence]:.3f} of at most"
            f" {self.ceiling:.3f}, where its gradient vanishes"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        """Suggest noise on D's inputs; where there is some already, a smaller learning rate of D."""
        if metrics["noise/sigma"] == 0:
            return Suggestion("noise=linear noise.start=0.5", "noise on D's inputs makes the two distributions overlap")
        return Suggestion(f"optimizer.lr_d={metrics['lr/d'] / 4:.2g}", "D then learns more slowly")


@dataclass(frozen=True)
class DiscriminatorTooWeak(ThresholdRule):
    """D misses a difference that a 1-nearest-neighbour test detects, so its divergence estimate is meaningless."""

    limits: TooWeakSection
    name = "discriminator_too_weak"
    needs = ("d/auc", "diagnosis/told_apart", "lr/d")

    def severity(self, metrics: Metrics) -> float:
        return metrics["d/auc"] <= self.limits.auc and metrics["diagnosis/told_apart"] >= self.limits.neighbours

    def message(self, metrics: Metrics) -> str:
        return (
            f"D ranks {metrics['d/auc']:.1%} of pairs correctly, hardly more than chance, while a nearest-neighbour"
            f" test classifies {metrics['diagnosis/told_apart']:.1%} of samples correctly: the divergence D estimates"
            " is meaningless"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        return Suggestion(f"optimizer.lr_d={metrics['lr/d'] * 4:.2g}", "D then learns more quickly")


@dataclass(frozen=True)
class VanishingGradient(ThresholdRule):
    """The gradient of G's loss at a generated sample has fallen far below its own earlier peak."""

    limits: VanishingSection
    name = "vanishing_gradient"
    needs = ("diagnosis/gradient", "diagnosis/gradient_peak", "d/auc")

    def severity(self, metrics: Metrics) -> float:
        # A small gradient is expected where G has converged; there the AUC of D is near 1/2.
        vanished = metrics["diagnosis/gradient"] <= self.limits.share * metrics["diagnosis/gradient_peak"]
        return vanished and metrics["d/auc"] >= self.limits.auc

    def message(self, metrics: Metrics) -> str:
        text = (
            f"the gradient of G's loss at a generated sample has a norm of {metrics['diagnosis/gradient']:.2g}, down"
            f" from {metrics['diagnosis/gradient_peak']:.2g}"
        )
        other = metrics.get("diagnosis/gradient_non_saturating", 0.0)
        return f"{text}; that of -log D would be {other:.2g}" if _is_saturated(metrics) else text

    def suggestion(self, metrics: Metrics) -> Suggestion:
        """Suggest the non-saturating loss where its gradient is larger, else a critic."""
        if _is_saturated(metrics):
            return Suggestion("loss=jsd", "this loss of G saturates where D is confident, and -log D does not")
        return Suggestion("loss=wgan_gp", "a critic under a gradient penalty keeps a gradient of norm near 1")


def _is_saturated(metrics: Metrics) -> bool:
    return metrics["diagnosis/gradient"] < 0.1 * metrics.get("diagnosis/gradient_non_saturating", 0.0)


@dataclass(frozen=True)
class ModeCollapse(ThresholdRule):
    """Generated samples are close to each other, or close to few of the real ones."""

    limits: CollapseSection
    critic: bool
    name = "mode_collapse"
    needs = ("diagnosis/diversity", "diagnosis/neighbours", "lr/g")

    def severity(self, metrics: Metrics) -> float:
        """Return 1 for a low diversity, and ``patience / slow_patience`` for missing modes.

        Samples that lie farther apart than real ones miss modes too, but have not collapsed. Missing modes are also
        normal at the beginning of a slow run, so they have to last longer.
        """
        if metrics["diagnosis/diversity"] <= self.limits.diversity:
            return 1.0
        modes_missing = (
            metrics["diagnosis/neighbours"] <= self.limits.neighbours
            or metrics.get("diagnosis/modes", 1.0) <= self.limits.modes
            or metrics.get(CLASS_KL, 0.0) >= self.limits.class_kl
        )
        if modes_missing and metrics["diagnosis/diversity"] <= 1.0:
            return self.patience / self.limits.slow_patience
        return 0.0

    def message(self, metrics: Metrics) -> str:
        modes = f", and they fill {metrics['diagnosis/modes']:.0%} of the modes" if "diagnosis/modes" in metrics else ""
        classes = f"; their classes are {metrics[CLASS_KL]:.2f} nats from the data's" if CLASS_KL in metrics else ""
        return (
            f"generated samples are {metrics['diagnosis/diversity']:.0%} as far from each other as real ones, and lie"
            f" nearest to {metrics['diagnosis/neighbours']:.0%} as many real samples{modes}{classes}"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        """Suggest a critic; where there is one already, a smaller learning rate of G."""
        if self.critic:
            return Suggestion(f"optimizer.lr_g={metrics['lr/g'] / 4:.2g}", "the critic then has time to follow G")
        return Suggestion("loss=wgan_gp", "the earth mover's distance grows with the distance to missing modes")


@dataclass(frozen=True)
class DiscriminatorOverfits(ThresholdRule):
    """D estimates a larger divergence on the samples that it trains on than on held-out ones."""

    limits: OverfitSection
    divergence: str
    ceiling: float | None
    name = "discriminator_overfits"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("diagnosis/held_out_gap", self.divergence)

    def severity(self, metrics: Metrics) -> float:
        return metrics["diagnosis/held_out_gap"] > self.limits.gap * self._scale(metrics)

    def message(self, metrics: Metrics) -> str:
        heldout = metrics.get(f"{self.divergence}_held_out", 0.0)
        return (
            f"{self.divergence} is {heldout + metrics['diagnosis/held_out_gap']:.3g} on samples that D trains on and"
            f" {heldout:.3g} on held-out ones: D has memorized the data"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        return Suggestion("loss/penalty=r1", "it penalizes a large gradient of D at real samples")

    def _scale(self, metrics: Metrics) -> float:
        """Return what the gap is a share of: the ceiling, or the estimate itself where there is none."""
        return self.ceiling if self.ceiling is not None else abs(metrics[self.divergence])


@dataclass(frozen=True)
class Oscillation(ThresholdRule):
    """D's AUC alternates between high and low from report to report."""

    limits: OscillationSection
    name = "oscillation"
    needs = ("diagnosis/swing", "diagnosis/turns", "lr/d", "lr/g")

    @property
    def patience(self) -> int:
        # Swing and turns are computed from `limits.patience` reports already.
        return min(1, self.limits.patience)

    def severity(self, metrics: Metrics) -> float:
        return metrics["diagnosis/swing"] >= self.limits.swing and metrics["diagnosis/turns"] >= self.limits.turns

    def message(self, metrics: Metrics) -> str:
        return (
            f"over the last {self.limits.patience} reports D's lead (2 AUC - 1) changed by"
            f" {metrics['diagnosis/swing']:.2f} on average from one to the next, and {metrics['diagnosis/turns']:.0%}"
            " of the changes had the opposite sign of the one before"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        rates = f"optimizer.lr_d={metrics['lr/d'] / 2:.2g} optimizer.lr_g={metrics['lr/g'] / 2:.2g}"
        return Suggestion(rates, "both then make smaller steps")
