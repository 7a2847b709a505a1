"""Alarms of models that write sequences: one class an alarm. Plain numbers; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.diagnostics.symptoms import Advice, Figures, Symptom
from gan_cli.thresholds import CollapseSection, DiagnosticsSection, TooStrongSection

ENTROPY = "diagnosis/oracle_entropy"


def sequence_symptoms(limits: DiagnosticsSection) -> list[Symptom]:
    """All alarms of sequences with a patience above 0."""
    all_of_them: list[Symptom] = [
        JudgeTooStrong(limits.discriminator_too_strong),
        BelowEntropy(limits.mode_collapse),
        Repetition(limits.mode_collapse),
    ]
    return [symptom for symptom in all_of_them if symptom.patience]


@dataclass(frozen=True)
class JudgeTooStrong:
    """D is nearly always right: all that G writes is worth nothing, and no sequence more than another."""

    limits: TooStrongSection
    name = "discriminator_too_strong"
    needs = ("d/accuracy_real", "d/accuracy_fake", "reward/mean", "lr/d")

    @property
    def patience(self) -> int:
        """As configured."""
        return self.limits.patience

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


class _Collapse:
    """What both signs of a collapse share: they raise one alarm."""

    limits: CollapseSection
    name = "mode_collapse"

    @property
    def patience(self) -> int:
        """As configured."""
        return self.limits.patience

    def advises(self, now: Figures) -> Advice:
        """A slower G."""
        return Advice(f"optimizer.lr_g={now['lr/g'] / 4:.2g}", "D then has time to follow G")


@dataclass(frozen=True)
class BelowEntropy(_Collapse):
    """The oracle finds G's sequences likelier than its own: G writes but the likeliest of them."""

    limits: CollapseSection
    needs = ("metrics/nll_oracle", ENTROPY, "lr/g")

    def shows(self, now: Figures) -> float:
        """Below what the oracle's own score."""
        return now["metrics/nll_oracle"] < now[ENTROPY]

    def says(self, now: Figures) -> str:
        """With the entropy, and with what real sequences come to."""
        return (
            f"generated sequences score {now['metrics/nll_oracle']:.2f} nats a token, less than the"
            f" {now[ENTROPY]:.2f} of the oracle's own{_test(now)}"
        )


@dataclass(frozen=True)
class Repetition(_Collapse):
    """G writes the same pairs of tokens over and over."""

    limits: CollapseSection
    needs = ("diagnosis/distinct_2", "diagnosis/distinct_2_real", "lr/g")

    def shows(self, now: Figures) -> float:
        """Few different ones against those of real sequences."""
        return now["diagnosis/distinct_2"] <= self.limits.diversity * now["diagnosis/distinct_2_real"]

    def says(self, now: Figures) -> str:
        """With both shares."""
        return (
            f"{now['diagnosis/distinct_2']:.1%} of generated pairs of tokens are different ones, of real pairs"
            f" {now['diagnosis/distinct_2_real']:.1%}{_test(now)}"
        )


def _test(now: Figures) -> str:
    """What G says of held-out sequences, where it is known."""
    known = now.get("metrics/nll_test")
    return "" if known is None else f", while held-out ones cost G {known:.2f}"
