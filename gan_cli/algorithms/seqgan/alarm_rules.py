"""Alarm rules of sequence models, one class per alarm."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.config.diagnostics import CollapseSection, DiagnosticsSection, TooStrongSection
from gan_cli.diagnostics.rules import AlarmRule, Metrics, Suggestion, ThresholdRule

ORACLE, ENTROPY = "metrics/nll_oracle", "diagnosis/oracle_entropy"


# Epochs of maximum likelihood that are suggested where there are none, those of conf/algorithm/seqgan.yaml.
USUAL_MLE_EPOCHS = 25


@dataclass(frozen=True, kw_only=True)
class SequenceSettings:
    """Settings of a run that its suggestions depend on.

    Attributes:
        lr_g: learning rate of G, before any decay.
        lr_d: that of D.
        temperature: divisor of G's logits.
        mle_epochs: epochs of maximum likelihood before adversarial training.
        steps: of the run, of all phases together.
    """

    lr_g: float
    lr_d: float
    temperature: float = 1.0
    mle_epochs: int = USUAL_MLE_EPOCHS
    steps: int = 64


def sequence_alarm_rules(limits: DiagnosticsSection, settings: SequenceSettings) -> list[AlarmRule]:
    """Return the rules of all alarms of sequence models with a patience above 0.

    Args:
        limits: thresholds of all alarms.
        settings: those of the run.
    """
    rules: list[AlarmRule] = [
        SequenceDiscriminatorTooStrong(limits.discriminator_too_strong, settings),
        SequenceCollapse(limits.mode_collapse, settings),
    ]
    return [rule for rule in rules if rule.patience]


@dataclass(frozen=True)
class SequenceDiscriminatorTooStrong(ThresholdRule):
    """D is nearly always right, so that the reward of every generated sequence is near 0."""

    limits: TooStrongSection
    settings: SequenceSettings
    name = "discriminator_too_strong"
    needs = ("d/accuracy_real", "d/accuracy_fake", "reward/mean")

    def severity(self, metrics: Metrics) -> float:
        accuracy = min(metrics["d/accuracy_real"], metrics["d/accuracy_fake"])
        return accuracy >= self.limits.accuracy and metrics["reward/mean"] <= 1.0 - self.limits.accuracy

    def evidence(self, metrics: Metrics) -> str:
        return f"the mean reward is {metrics['reward/mean']:.1g}"

    def message(self, metrics: Metrics) -> str:
        return (
            f"D is right about {metrics['d/accuracy_real']:.1%} of real and {metrics['d/accuracy_fake']:.1%} of"
            f" generated sequences, and the mean reward is {metrics['reward/mean']:.2g}: it hardly differs between"
            " sequences"
        )

    def suggestion(self, metrics: Metrics) -> Suggestion:
        """Suggest maximum likelihood where there is none, with as many rounds after it as now; else a slower D."""
        if not self.settings.mle_epochs:
            overrides = f"algorithm.mle_epochs={USUAL_MLE_EPOCHS} train.steps={self.settings.steps + USUAL_MLE_EPOCHS}"
            return Suggestion(overrides, "sequences of an untrained G are told from real ones at a glance")
        return Suggestion(f"optimizer.lr_d={self.settings.lr_d / 4:.2g}", "D then learns more slowly")


@dataclass(frozen=True)
class SequenceCollapse(ThresholdRule):
    """G generates only the likeliest sequences, or the same bigrams over and over."""

    limits: CollapseSection
    settings: SequenceSettings
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
        """Suggest a temperature of 1 where it is lower, else a slower G."""
        if self.settings.temperature < 1:
            return Suggestion("algorithm.temperature=1", "a lower one leaves the likeliest sequences alone")
        return Suggestion(f"optimizer.lr_g={self.settings.lr_g / 4:.2g}", "D then has time to follow G")


def _below_oracle_entropy(metrics: Metrics) -> bool:
    """Return whether there is an oracle, and G's sequences are likelier under it than its own are on average."""
    return ENTROPY in metrics and metrics[ORACLE] < metrics[ENTROPY]


def _heldout_nll_text(metrics: Metrics) -> str:
    """Return a clause about G's negative log-likelihood of held-out sequences; empty where it was not measured."""
    nll = metrics.get("metrics/nll_test")
    return "" if nll is None else f", while G's negative log-likelihood of held-out ones is {nll:.2f}"
