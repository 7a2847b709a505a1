"""Alarm rules of sequence models, one class per alarm."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.config.diagnostics import CollapseSection, DiagnosticsSection, TooStrongSection
from gan_cli.diagnostics.rules import AlarmRule, Metrics, Suggestion, ThresholdRule

ORACLE, ENTROPY = "metrics/nll_oracle", "diagnosis/oracle_entropy"


def sequence_alarm_rules(limits: DiagnosticsSection, lr_g: float, lr_d: float) -> list[AlarmRule]:
    """Return the rules of all alarms of sequence models with a patience above 0.

    Args:
        limits: thresholds of all alarms.
        lr_g: learning rate of G, before any decay.
        lr_d: that of D.
    """
    rules: list[AlarmRule] = [
        SequenceDiscriminatorTooStrong(limits.discriminator_too_strong, lr_d),
        SequenceCollapse(limits.mode_collapse, lr_g),
    ]
    return [rule for rule in rules if rule.patience]


@dataclass(frozen=True)
class SequenceDiscriminatorTooStrong(ThresholdRule):
    """D is nearly always right, so that the reward of every generated sequence is near 0."""

    limits: TooStrongSection
    rate: float
    name = "discriminator_too_strong"
    needs = ("d/accuracy_real", "d/accuracy_fake", "reward/mean")

    def severity(self, metrics: Metrics) -> float:
        accuracy = min(metrics["d/accuracy_real"], metrics["d/accuracy_fake"])
        return accuracy >= self.limits.accuracy and metrics["reward/mean"] <= 1.0 - self.limits.accuracy

    def evidence(self, metrics: Metrics) -> str:
        return f"the mean reward is {metrics['reward/mean']:.1g}: D recognizes nearly all sequences"

    def message(self, metrics: Metrics) -> str:
        return (
            f"D is right about {metrics['d/accuracy_real']:.1%} of real and {metrics['d/accuracy_fake']:.1%} of"
            f" generated sequences, and the mean reward is {metrics['reward/mean']:.2g}: it hardly differs between"
            " sequences"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        return Suggestion(f"optimizer.lr_d={self.rate / 4:.2g}", "D then learns more slowly")


@dataclass(frozen=True)
class SequenceCollapse(ThresholdRule):
    """G generates only the likeliest sequences, or the same bigrams over and over."""

    limits: CollapseSection
    rate: float
    name = "mode_collapse"
    needs = ("diagnosis/distinct_2", "diagnosis/distinct_2_real")

    def severity(self, metrics: Metrics) -> float:
        repetitive = metrics["diagnosis/distinct_2"] <= self.limits.diversity * metrics["diagnosis/distinct_2_real"]
        return _below_oracle_entropy(metrics) or repetitive

    def evidence(self, metrics: Metrics) -> str:
        if _below_oracle_entropy(metrics):
            return f"samples score {metrics[ORACLE]:.2f} nats, the oracle's own {metrics[ENTROPY]:.2f}"
        return f"{metrics['diagnosis/distinct_2']:.1%} of generated bigrams are distinct"

    def message(self, metrics: Metrics) -> str:
        text = (
            f"{metrics['diagnosis/distinct_2']:.1%} of generated bigrams are distinct, of real ones"
            f" {metrics['diagnosis/distinct_2_real']:.1%}"
        )
        if _below_oracle_entropy(metrics):
            text = (
                f"generated sequences score {metrics[ORACLE]:.2f} nats a token, less than the {metrics[ENTROPY]:.2f} of"
                f" the oracle's own; {text}"
            )
        return f"{text}{_heldout_nll_text(metrics)}"

    def suggestion(self, metrics: Metrics) -> Suggestion:
        return Suggestion(f"optimizer.lr_g={self.rate / 4:.2g}", "D then has time to follow G")


def _below_oracle_entropy(metrics: Metrics) -> bool:
    """Return whether there is an oracle, and G's sequences are likelier under it than its own are on average."""
    return ENTROPY in metrics and metrics[ORACLE] < metrics[ENTROPY]


def _heldout_nll_text(metrics: Metrics) -> str:
    """Return a clause about G's negative log-likelihood of held-out sequences; empty where it was not measured."""
    nll = metrics.get("metrics/nll_test")
    return "" if nll is None else f", while G's negative log-likelihood of held-out ones is {nll:.2f}"
