"""What figures have to say for an alarm: one class an alarm. Plain numbers; imports no torch.

A symptom is a pure function of the present figures. How long it has to show, and what comes of it, is the doctor's.
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
from gan_cli.diagnostics.rules import CLASS_KL, Advice, Figures, Limited, Symptom


def symptoms(limits: DiagnosticsSection, divergence: str, ceiling: float | None) -> list[Symptom]:
    """All alarms with a patience above 0, for an objective's divergence and the ceiling of that, if it has one."""
    tag = f"divergence/{divergence}"
    all_of_them: list[Symptom] = [
        VanishingGradient(limits.vanishing_gradient),
        ModeCollapse(limits.mode_collapse, critic=ceiling is None),
        DiscriminatorTooWeak(limits.discriminator_too_weak),
        DiscriminatorOverfits(limits.discriminator_overfits, tag, ceiling),
        Oscillation(limits.oscillation),
    ]
    if ceiling is not None:  # a critic without a ceiling is meant to be as strong as it can (Arjovsky et al. 2017)
        all_of_them.insert(0, DiscriminatorTooStrong(limits.discriminator_too_strong, tag, ceiling))
    return [symptom for symptom in all_of_them if symptom.patience]


@dataclass(frozen=True)
class DiscriminatorTooStrong(Limited):
    """D is nearly always right and its divergence at the ceiling, where the gradient of that is 0."""

    limits: TooStrongSection
    divergence: str
    ceiling: float
    name = "discriminator_too_strong"

    @property
    def needs(self) -> tuple[str, ...]:
        """Both accuracies and the divergence."""
        return ("d/accuracy_real", "d/accuracy_fake", self.divergence, "noise/sigma", "lr/d")

    def shows(self, now: Figures) -> float:
        """All three high."""
        accuracy = min(now["d/accuracy_real"], now["d/accuracy_fake"])
        return accuracy >= self.limits.accuracy and now[self.divergence] >= self.limits.divergence * self.ceiling

    def says(self, now: Figures) -> str:
        """With accuracies and divergence."""
        return (
            f"D is right about {now['d/accuracy_real']:.1%} of real and {now['d/accuracy_fake']:.1%} of generated"
            f" samples, and {self.divergence} is {now[self.divergence]:.3f} of at most {self.ceiling:.3f}, where its"
            " gradient vanishes"
        )

    def advises(self, now: Figures) -> Advice:
        """Noise on what D sees; if there is some already, a slower D."""
        if now["noise/sigma"] == 0:
            return Advice("noise=linear noise.start=0.5", "noise on what D sees gives the two distributions overlap")
        return Advice(f"optimizer.lr_d={now['lr/d'] / 4:.2g}", "D then learns more slowly")


@dataclass(frozen=True)
class DiscriminatorTooWeak(Limited):
    """D does not see a difference that the simplest of all tests sees: its estimate means nothing."""

    limits: TooWeakSection
    name = "discriminator_too_weak"
    needs = ("d/auc", "diagnosis/told_apart", "lr/d")

    def shows(self, now: Figures) -> float:
        """D near chance, the nearest neighbours far from it."""
        return now["d/auc"] <= self.limits.auc and now["diagnosis/told_apart"] >= self.limits.neighbours

    def says(self, now: Figures) -> str:
        """With both tests."""
        return (
            f"D ranks {now['d/auc']:.1%} of pairs correctly, hardly more than chance, while nearest neighbours tell"
            f" {now['diagnosis/told_apart']:.1%} of samples apart: the divergence D estimates means nothing"
        )

    def advises(self, now: Figures) -> Advice:
        """A quicker D."""
        return Advice(f"optimizer.lr_d={now['lr/d'] * 4:.2g}", "D then learns more quickly")


@dataclass(frozen=True)
class VanishingGradient(Limited):
    """What reaches each generated sample of D's judgement has faded against its own history."""

    limits: VanishingSection
    name = "vanishing_gradient"
    needs = ("diagnosis/gradient", "diagnosis/gradient_peak", "d/auc")

    def shows(self, now: Figures) -> float:
        """Far below the peak, and not because G has arrived: there D cannot tell the two apart."""
        faded = now["diagnosis/gradient"] <= self.limits.share * now["diagnosis/gradient_peak"]
        return faded and now["d/auc"] >= self.limits.auc

    def says(self, now: Figures) -> str:
        """With the present norm and the peak, and with what -log D would give."""
        said = (
            f"the gradient of G's loss at a generated sample has a norm of {now['diagnosis/gradient']:.2g}, down from"
            f" {now['diagnosis/gradient_peak']:.2g}"
        )
        other = now.get("diagnosis/gradient_non_saturating", 0.0)
        return f"{said}; that of -log D would be {other:.2g}" if _saturates(now) else said

    def advises(self, now: Figures) -> Advice:
        """The other loss where that helps, else the critic."""
        if _saturates(now):
            return Advice("loss=jsd", "this loss of G saturates where D is confident, and -log D does not")
        return Advice("loss=wgan_gp", "a critic under a gradient penalty keeps its slope")


def _saturates(now: Figures) -> bool:
    return now["diagnosis/gradient"] < 0.1 * now.get("diagnosis/gradient_non_saturating", 0.0)


@dataclass(frozen=True)
class ModeCollapse(Limited):
    """Generated samples are alike, or crowd around few of the real ones."""

    limits: CollapseSection
    critic: bool
    name = "mode_collapse"
    needs = ("diagnosis/diversity", "diagnosis/neighbours", "lr/g")

    def shows(self, now: Figures) -> float:
        """Hardly any distance between samples, or no more than between real ones and yet few real ones around them.

        Samples that lie farther apart than real ones have few of these around them too, but have not collapsed. The
        latter is what the beginning of a slow run looks like as well, and so takes longer to count.
        """
        if now["diagnosis/diversity"] <= self.limits.diversity:
            return 1.0
        few = (
            now["diagnosis/neighbours"] <= self.limits.neighbours
            or now.get("diagnosis/modes", 1.0) <= self.limits.modes
            or now.get(CLASS_KL, 0.0) >= self.limits.class_kl
        )
        return self.patience / self.limits.slow_patience if few and now["diagnosis/diversity"] <= 1.0 else 0.0

    def says(self, now: Figures) -> str:
        """With all figures there are."""
        modes = f", and they fill {now['diagnosis/modes']:.0%} of the modes" if "diagnosis/modes" in now else ""
        classes = f"; their classes are {now[CLASS_KL]:.2f} nats from the data's" if CLASS_KL in now else ""
        return (
            f"generated samples are {now['diagnosis/diversity']:.0%} as far from each other as real ones, and lie"
            f" nearest to {now['diagnosis/neighbours']:.0%} as many real samples{modes}{classes}"
        )

    def advises(self, now: Figures) -> Advice:
        """A critic that sees how far away what is missing lies; if it is one already, a slower G."""
        if self.critic:
            return Advice(f"optimizer.lr_g={now['lr/g'] / 4:.2g}", "the critic then has time to follow G")
        return Advice("loss=wgan_gp", "the earth-mover distance feels modes that are missing")


@dataclass(frozen=True)
class DiscriminatorOverfits(Limited):
    """D sees more divergence on the samples that it trains on than on those it has never seen."""

    limits: OverfitSection
    divergence: str
    ceiling: float | None
    name = "discriminator_overfits"

    @property
    def needs(self) -> tuple[str, ...]:
        """The gap, and what it is compared with."""
        return ("diagnosis/held_out_gap", self.divergence)

    def shows(self, now: Figures) -> float:
        """A wide gap."""
        return now["diagnosis/held_out_gap"] > self.limits.gap * self._scale(now)

    def says(self, now: Figures) -> str:
        """With both estimates."""
        held = now.get(f"{self.divergence}_held_out", 0.0)
        return (
            f"{self.divergence} is {held + now['diagnosis/held_out_gap']:.3g} on samples that D trains on and"
            f" {held:.3g} on held-out ones: D knows the data by heart"
        )

    def advises(self, now: Figures) -> Advice:
        """A penalty on D's slope at real samples."""
        return Advice("loss/penalty=r1", "it keeps D from being steep around the data")

    def _scale(self, now: Figures) -> float:
        return self.ceiling if self.ceiling is not None else abs(now[self.divergence])


@dataclass(frozen=True)
class Oscillation(Limited):
    """D and G outdo each other in turn."""

    limits: OscillationSection
    name = "oscillation"
    needs = ("diagnosis/swing", "diagnosis/turns", "lr/d", "lr/g")

    @property
    def patience(self) -> int:
        """1 where it is on: its figures look back by themselves."""
        return min(1, self.limits.patience)

    def shows(self, now: Figures) -> float:
        """Wide changes that keep turning around."""
        return now["diagnosis/swing"] >= self.limits.swing and now["diagnosis/turns"] >= self.limits.turns

    def says(self, now: Figures) -> str:
        """With swing and turns."""
        return (
            f"over the last {self.limits.patience} reports D's lead changed by {now['diagnosis/swing']:.2f} from one to"
            f" the next, and {now['diagnosis/turns']:.0%} of the changes turned the one before around"
        )

    def advises(self, now: Figures) -> Advice:
        """Smaller steps of both."""
        rates = f"optimizer.lr_d={now['lr/d'] / 2:.2g} optimizer.lr_g={now['lr/g'] / 2:.2g}"
        return Advice(rates, "both then make smaller steps")
