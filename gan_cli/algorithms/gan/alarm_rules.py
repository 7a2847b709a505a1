"""Alarm rules of GANs, one class per alarm.

A rule is a pure function of the metrics of one report. Counting reports and raising alarms is left to the monitor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gan_cli.algorithms.gan import suggestions
from gan_cli.algorithms.gan.suggestions import GANSettings
from gan_cli.config.diagnostics import (
    CollapseSection,
    DiagnosticsSection,
    OscillationSection,
    OverfitSection,
    TooStrongSection,
    TooWeakSection,
    VanishingSection,
)
from gan_cli.diagnostics.rules import CLASS_KL, AlarmRule, Level, Metrics, Suggestion, ThresholdRule


def alarm_rules(limits: DiagnosticsSection, settings: GANSettings) -> list[AlarmRule]:
    """Return the rules of all alarms with a patience above 0, and of the note beside them.

    Args:
        limits: thresholds of all alarms.
        settings: those of the run.
    """
    rules: list[AlarmRule] = [
        VanishingGradient(limits.vanishing_gradient, settings),
        ModeCollapse(limits.mode_collapse, settings),
        DiscriminatorTooWeak(limits.discriminator_too_weak, settings),
        DiscriminatorOverfits(limits.discriminator_overfits, settings),
        DiscriminatorMemorizes(limits.discriminator_overfits, settings),
        Oscillation(limits.oscillation, settings),
    ]
    if settings.ceiling is not None:  # a critic without a ceiling is to be trained to optimality (Arjovsky et al. 2017)
        rules.insert(1, DiscriminatorTooStrong(limits.discriminator_too_strong, settings, settings.ceiling))
    return [rule for rule in rules if rule.patience]


@dataclass(frozen=True)
class DiscriminatorTooStrong(ThresholdRule):
    """D classifies nearly all samples correctly and its divergence is at the ceiling, where its gradient is 0."""

    limits: TooStrongSection
    settings: GANSettings
    ceiling: float
    name = "discriminator_too_strong"
    rank = 2

    @property
    def needs(self) -> tuple[str, ...]:
        return ("d/accuracy_real", "d/accuracy_fake", self.settings.divergence)

    def severity(self, metrics: Metrics) -> float:
        divergence = metrics[self.settings.divergence]
        return _accuracy(metrics) >= self.limits.accuracy and divergence >= self.limits.divergence * self.ceiling

    def evidence(self, metrics: Metrics) -> str:
        return f"D classifies {_accuracy(metrics):.1%} of samples correctly"

    def message(self, metrics: Metrics) -> str:
        divergence = self.settings.divergence
        return (
            f"D classifies {metrics['d/accuracy_real']:.1%} of real and {metrics['d/accuracy_fake']:.1%} of generated"
            f" samples correctly, and {divergence} is {metrics[divergence]:.3f} of at most {self.ceiling:.3f}, where"
            " its gradient vanishes"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        return suggestions.for_strong_discriminator(self.settings)


def _accuracy(metrics: Metrics) -> float:
    """Return D's accuracy on the kind of samples, real or generated, of which it classifies fewer correctly."""
    return min(metrics["d/accuracy_real"], metrics["d/accuracy_fake"])


@dataclass(frozen=True)
class DiscriminatorTooWeak(ThresholdRule):
    """D misses a difference that a 1-nearest-neighbour test detects, so its divergence estimate is meaningless."""

    limits: TooWeakSection
    settings: GANSettings
    name = "discriminator_too_weak"
    rank = 0
    needs = ("d/auc", "diagnosis/told_apart")

    def severity(self, metrics: Metrics) -> float:
        return metrics["d/auc"] <= self.limits.auc and metrics["diagnosis/told_apart"] >= self.limits.neighbours

    def evidence(self, metrics: Metrics) -> str:
        return f"D's AUC is {metrics['d/auc']:.2f}, where 0.5 is chance"

    def message(self, metrics: Metrics) -> str:
        return (
            f"D ranks {metrics['d/auc']:.1%} of pairs of a real and a generated sample correctly (AUC), where 50% is"
            " chance, although a 1-nearest-neighbour two-sample test has an accuracy of"
            f" {metrics['diagnosis/told_apart']:.1%}: the divergence that D estimates is meaningless"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        return suggestions.for_weak_discriminator(self.settings)


@dataclass(frozen=True)
class VanishingGradient(ThresholdRule):
    """The gradient of G's loss at a generated sample has fallen far below its own earlier peak."""

    limits: VanishingSection
    settings: GANSettings
    name = "vanishing_gradient"
    rank = 2
    needs = ("diagnosis/gradient", "diagnosis/gradient_peak", "d/auc")

    def severity(self, metrics: Metrics) -> float:
        # A small gradient is expected where G has converged; there the AUC of D is near 1/2.
        vanished = metrics["diagnosis/gradient"] <= self.limits.share * metrics["diagnosis/gradient_peak"]
        return vanished and metrics["d/auc"] >= self.limits.auc

    def evidence(self, metrics: Metrics) -> str:
        share = metrics["diagnosis/gradient"] / max(metrics["diagnosis/gradient_peak"], 1e-30)
        return f"G's gradient is {share:.2g} of its peak"

    def message(self, metrics: Metrics) -> str:
        text = (
            f"the gradient of G's loss at a generated sample has a norm of {metrics['diagnosis/gradient']:.2g}, and had"
            f" {metrics['diagnosis/gradient_peak']:.2g} at its peak"
        )
        other = metrics.get("diagnosis/gradient_non_saturating", 0.0)
        return f"{text}; that of -log D would have {other:.2g}" if _is_saturated(metrics) else text

    def suggestion(self, metrics: Metrics) -> Suggestion:
        return suggestions.for_strong_discriminator(self.settings)


def _is_saturated(metrics: Metrics) -> bool:
    return metrics["diagnosis/gradient"] < 0.1 * metrics.get("diagnosis/gradient_non_saturating", 0.0)


@dataclass(frozen=True)
class ModeCollapse(ThresholdRule):
    """Generated samples are close to each other, or close to few of the real ones."""

    limits: CollapseSection
    settings: GANSettings
    name = "mode_collapse"
    needs = ("diagnosis/diversity", "diagnosis/neighbours")

    def severity(self, metrics: Metrics) -> float:
        """Return 1 for a low diversity, and ``patience / slow_patience`` for missing modes.

        Samples that lie farther apart than real ones miss modes too, but have not collapsed. Missing modes are also
        normal at the beginning of a slow run, so they have to last longer.
        """
        if metrics["diagnosis/diversity"] <= self.limits.diversity:
            return 1.0
        if self._modes_missing(metrics) and metrics["diagnosis/diversity"] <= 1.0:
            return self.patience / self.limits.slow_patience
        return 0.0

    def evidence(self, metrics: Metrics) -> str:
        """Return the share of a mixture's modes where it is low, else the first sign of those that are present."""
        if self._few_modes(metrics):
            return f"samples cover {metrics['diagnosis/modes']:.0%} of the modes"
        if metrics["diagnosis/diversity"] <= self.limits.diversity:
            return f"samples differ {metrics['diagnosis/diversity']:.0%} as much as data do"
        if metrics.get(CLASS_KL, 0.0) >= self.limits.class_kl:
            return f"the KL divergence of their classes from the data's is {metrics[CLASS_KL]:.2f}"
        return f"samples are near {metrics['diagnosis/neighbours']:.0%} as many images as data are"

    def message(self, metrics: Metrics) -> str:
        modes = f", and cover {metrics['diagnosis/modes']:.0%} of the modes" if "diagnosis/modes" in metrics else ""
        classes = f"; their classes are {metrics[CLASS_KL]:.2f} nats from the data's" if CLASS_KL in metrics else ""
        return (
            f"generated samples are {metrics['diagnosis/diversity']:.0%} as far from each other as real ones, and are"
            f" the nearest to {metrics['diagnosis/neighbours']:.0%} as many training samples as held-out ones"
            f"{modes}{classes}"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        return suggestions.for_collapse(self.settings)

    def _modes_missing(self, metrics: Metrics) -> bool:
        return (
            metrics["diagnosis/neighbours"] <= self.limits.neighbours
            or self._few_modes(metrics)
            or metrics.get(CLASS_KL, 0.0) >= self.limits.class_kl
        )

    def _few_modes(self, metrics: Metrics) -> bool:
        least = max(self.limits.modes, self.limits.lost * metrics.get("diagnosis/modes_peak", 0.0))
        return metrics.get("diagnosis/modes", math.inf) <= least


@dataclass(frozen=True)
class DiscriminatorOverfits(ThresholdRule):
    """D estimates a larger divergence on the samples that it trains on than on held-out ones."""

    limits: OverfitSection
    settings: GANSettings
    name = "discriminator_overfits"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("diagnosis/held_out_gap", self.settings.divergence)

    def severity(self, metrics: Metrics) -> float:
        return _relative_gap(metrics, self.settings) > self.limits.gap

    def evidence(self, metrics: Metrics) -> str:
        trained, held_out = _divergences(metrics, self.settings)
        return f"divergence {trained:.2f}, on held-out data {held_out:.2f}"

    def message(self, metrics: Metrics) -> str:
        trained, held_out = _divergences(metrics, self.settings)
        return (
            f"{self.settings.divergence} is {trained:.3g} on samples that D trains on and {held_out:.3g} on held-out"
            " ones: D has memorized its training data"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        return suggestions.for_overfitting(self.settings)


@dataclass(frozen=True)
class DiscriminatorMemorizes(DiscriminatorOverfits):
    """The same to a degree at which samples are not worse for it, so that it is only noted."""

    name = "discriminator_memorizes"
    level = Level.note

    def severity(self, metrics: Metrics) -> float:
        return _relative_gap(metrics, self.settings) > self.limits.note

    def evidence(self, metrics: Metrics) -> str:
        trained, held_out = _divergences(metrics, self.settings)
        return f"D memorizes: its divergence is {trained:.2f} on training data, {held_out:.2f} on held-out"


def _divergences(metrics: Metrics, settings: GANSettings) -> tuple[float, float]:
    """Return D's divergence estimates for samples that it trains on, and for held-out ones."""
    held_out = metrics.get(f"{settings.divergence}_held_out", 0.0)
    return held_out + metrics["diagnosis/held_out_gap"], held_out


def _relative_gap(metrics: Metrics, settings: GANSettings) -> float:
    """Return the gap as a share of the ceiling, or of the estimate itself where there is none."""
    scale = settings.ceiling if settings.ceiling is not None else abs(metrics[settings.divergence])
    return metrics["diagnosis/held_out_gap"] / max(scale, 1e-30)


@dataclass(frozen=True)
class Oscillation(ThresholdRule):
    """D's AUC alternates between high and low from report to report."""

    limits: OscillationSection
    settings: GANSettings
    name = "oscillation"
    rank = 0
    needs = ("diagnosis/swing", "diagnosis/turns")

    @property
    def patience(self) -> int:
        # Swing and turns are computed from `limits.patience` reports already.
        return min(1, self.limits.patience)

    @property
    def release(self) -> int:
        return self.limits.patience

    def severity(self, metrics: Metrics) -> float:
        return metrics["diagnosis/swing"] >= self.limits.swing and metrics["diagnosis/turns"] >= self.limits.turns

    def evidence(self, metrics: Metrics) -> str:
        # The swing is that of 2 AUC - 1.
        return f"D's AUC goes up and down by {metrics['diagnosis/swing'] / 2:.2f}"

    def message(self, metrics: Metrics) -> str:
        return (
            f"over the last {self.limits.patience} logging steps D's AUC changed by"
            f" {metrics['diagnosis/swing'] / 2:.2f} on average from one to the next, and"
            f" {metrics['diagnosis/turns']:.0%} of the changes had the opposite sign of the one before"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        return suggestions.for_oscillation(self.settings)
