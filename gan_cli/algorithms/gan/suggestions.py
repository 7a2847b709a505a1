"""Suggestions against each problem of a GAN: overrides that the run does not have yet."""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.diagnostics.rules import Suggestion

# beta_1 of Adam with which GANs are trained (Radford et al. 2016, section 4), and the largest that is suggested.
USUAL_MOMENTUM = 0.5


@dataclass(frozen=True)
class GANSettings:
    """Settings of a run that its suggestions and thresholds depend on.

    Attributes:
        divergence: tag of the divergence that D's loss estimates.
        ceiling: its largest value; None: unbounded, as a critic's.
        lr_g: learning rate of G, before any decay.
        lr_d: that of D.
        d_steps: updates of D for each of G.
        betas: those of Adam; None: another optimizer.
        penalized: whether D's loss has penalties.
        noisy: whether there is instance noise.
        packable: whether ``pac=4`` is allowed: one sample per pack so far, batches of a multiple of 4, no classes.
        augmentable: whether ``augment=ada`` is allowed: images, no augmentation yet.
    """

    divergence: str
    ceiling: float | None
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    d_steps: int = 1
    betas: tuple[float, float] | None = (0.5, 0.999)
    penalized: bool = False
    noisy: bool = False
    packable: bool = True
    augmentable: bool = True


def for_strong_discriminator(settings: GANSettings) -> Suggestion:
    """Suggest noise on D's inputs; where there is some already, a smaller learning rate of D."""
    if not settings.noisy:
        return Suggestion("noise=adaptive", "noise on D's inputs keeps its accuracy at 0.8")
    return Suggestion(f"optimizer.lr_d={settings.lr_d / 4:.2g}", "D then learns more slowly")


def for_weak_discriminator(settings: GANSettings) -> Suggestion:
    """Suggest that D learns as fast as G; where it does already, more updates of D."""
    if settings.lr_d < settings.lr_g:
        return Suggestion(f"optimizer.lr_d={settings.lr_g:.2g}", "D then learns as fast as G")
    return Suggestion(f"loss.d_steps={max(5, 2 * settings.d_steps)}", "D then makes more updates for each of G")


def for_collapse(settings: GANSettings) -> Suggestion:
    """Suggest that D learns as fast as G, then packs of samples, then a penalty; with all of them, a slower G."""
    if settings.lr_d < settings.lr_g:
        return Suggestion(f"optimizer.lr_d={settings.lr_g:.2g}", "D then sees a missing mode before G leaves the next")
    if settings.packable:
        return Suggestion("pac=4", "D scores packs of 4 samples, and sees that they are alike")
    if not settings.penalized:
        return Suggestion("loss/penalty=r1", "D then changes slowly around the data, and pulls G to missing modes")
    return Suggestion(f"optimizer.lr_g={settings.lr_g / 4:.2g}", "D then has time to follow G")


def for_overfitting(settings: GANSettings) -> Suggestion:
    """Suggest a penalty; where there is one already, augmentation of images, else a slower D."""
    if not settings.penalized:
        return Suggestion("loss/penalty=r1", "it penalizes a large gradient of D at real samples")
    if settings.augmentable:
        return Suggestion("augment=ada", "D sees each image in many variants")
    return Suggestion(f"optimizer.lr_d={settings.lr_d / 4:.2g}", "D then memorizes more slowly")


def for_oscillation(settings: GANSettings) -> Suggestion:
    """Suggest the usual momentum of GANs where it is larger; else a penalty, and with one already smaller rates.

    Smaller rates alone lengthen the period, and oscillate as widely (docs/diagnosis.md).
    """
    if settings.betas is not None and settings.betas[0] > USUAL_MOMENTUM:
        beta_2 = settings.betas[1]
        return Suggestion(f"optimizer.betas=[{USUAL_MOMENTUM:g},{beta_2:g}]", "momentum carries both past each other")
    if not settings.penalized:
        return Suggestion("loss/penalty=r1", "it damps the rotation of D and G around each other")
    rates = f"optimizer.lr_d={settings.lr_d / 2:.2g} optimizer.lr_g={settings.lr_g / 2:.2g}"
    return Suggestion(rates, "both then make smaller steps")
