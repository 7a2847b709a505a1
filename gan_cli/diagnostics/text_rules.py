"""Alarms of models that write sequences: one class an alarm. Plain numbers; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.config.diagnostics import CollapseSection, DiagnosticsSection, TooStrongSection
from gan_cli.diagnostics.rules import Advice, Figures, Limited, Symptom

ORACLE, ENTROPY = "metrics/nll_oracle", "diagnosis/oracle_entropy"


def sequence_symptoms(limits: DiagnosticsSection) -> list[Symptom]:
    """All alarms of sequences with a patience above 0."""
    all_of_them: list[Symptom] = [
        JudgeTooStrong(limits.discriminator_too_strong),
        SequenceCollapse(limits.mode_collapse),
    ]
    return [symptom for symptom in all_of_them if symptom.patience]


@dataclass(frozen=True)
class JudgeTooStrong(Limited):
    """D is nearly always right: all that G writes is worth nothing, and no sequence more than another."""

    limits: TooStrongSection
    name = "discriminator_too_strong"
    needs = ("d/accuracy_real", "d/accuracy_fake", "reward/mean", "lr/d")

    def shows(self, now: Figures) -> float:
        """Both accuracies high, and hardly any reward."""
        accuracy = min(now["d/accuracy_real"], now["d/accuracy_fake"])
        return accuracy >= self.limits.accuracy and now["reward/mean"] <= 1.0 - self.limits.accuracy

    def says(self, now: Figures) -> str:
        """With accuracies and reward."""
        return (
            f"D is right about {now['d/accuracy_real']:.1%} of real and {now['d/accuracy_fake']:.1%} of generated"
            f" sequences, and the mean reward is {now['reward/mean']:.2g}: no sequence is worth more than another"
        )

    def advises(self, now: Figures) -> Advice:
        """A slower D."""
        return Advice(f"optimizer.lr_d={now['lr/d'] / 4:.2g}", "D then learns more slowly")


@dataclass(frozen=True)
class SequenceCollapse(Limited):
    """G writes but the likeliest sequences, or the same pairs of tokens over and over."""

    limits: CollapseSection
    name = "mode_collapse"
    needs = ("diagnosis/distinct_2", "diagnosis/distinct_2_real", "lr/g")

    def shows(self, now: Figures) -> float:
        """Likelier to the oracle than its own, or few different pairs against those of real sequences."""
        repeats = now["diagnosis/distinct_2"] <= self.limits.diversity * now["diagnosis/distinct_2_real"]
        return _below(now) or repeats

    def says(self, now: Figures) -> str:
        """With the entropy where it is known, with both shares, and with what real sequences come to."""
        pairs = (
            f"{now['diagnosis/distinct_2']:.1%} of generated pairs of tokens are different ones, of real pairs"
            f" {now['diagnosis/distinct_2_real']:.1%}"
        )
        if _below(now):
            pairs = (
                f"generated sequences score {now[ORACLE]:.2f} nats a token, less than the {now[ENTROPY]:.2f} of the"
                f" oracle's own; {pairs}"
            )
        return f"{pairs}{_test(now)}"

    def advises(self, now: Figures) -> Advice:
        """A slower G."""
        return Advice(f"optimizer.lr_g={now['lr/g'] / 4:.2g}", "D then has time to follow G")


def _below(now: Figures) -> bool:
    """Whether the oracle finds G's sequences likelier than its own, which takes an oracle."""
    return ENTROPY in now and now[ORACLE] < now[ENTROPY]


def _test(now: Figures) -> str:
    """What G says of held-out sequences, where it is known."""
    known = now.get("metrics/nll_test")
    return "" if known is None else f", while held-out ones cost G {known:.2f}"
