"""Section ``diagnostics`` of the configuration: probes beside training, and thresholds of alarms. Imports no torch."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gan_cli.config.fields import setting
from gan_cli.errors import require


class OnAlarm(Enum):
    """Reaction of a run to an alarm of its diagnostics."""

    warn = "warn"
    stop = "stop"
    rollback = "rollback"


ACTS_DOC = "whether diagnostics.on_alarm=stop or rollback applies to it"
PATIENCE_DOC = "reports in a row after which the alarm is raised; 0: never"


def _require_share(section: Any, *keys: str) -> None:
    for key in keys:
        require(0 <= getattr(section, key) <= 1, key, getattr(section, key), "a number from 0 to 1")


@dataclass
class Thresholds:
    """Settings that the thresholds of every alarm have in common."""

    patience: int = setting(5, PATIENCE_DOC)
    acts: bool = setting(True, ACTS_DOC)

    def __post_init__(self) -> None:
        require(self.patience >= 0, "patience", self.patience, "an integer >= 0 (0: never)")


@dataclass
class TooStrongSection(Thresholds):
    """D separates real from generated samples, and the divergence sits at its ceiling."""

    accuracy: float = setting(0.99, "D's accuracy on either side is at least this")
    divergence: float = setting(0.9, "and the divergence at least this share of its ceiling")

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_share(self, "accuracy", "divergence")


@dataclass
class TooWeakSection(Thresholds):
    """D separates the samples less well than a nearest-neighbour test, so that its estimate means nothing."""

    acts: bool = setting(False, ACTS_DOC)
    auc: float = setting(0.6, "D ranks at most this share of pairs correctly")
    neighbours: float = setting(0.9, "while the 1-nearest-neighbour two-sample test has at least this accuracy")

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_share(self, "auc", "neighbours")


@dataclass
class VanishingSection(Thresholds):
    """The gradient that D gives to G has vanished."""

    share: float = setting(0.01, "the gradient is at most this share of its peak (running median over 5 reports)")
    auc: float = setting(0.75, "although D ranks at least this share of pairs correctly: there is more to learn")

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_share(self, "share", "auc")


@dataclass
class CollapseSection(Thresholds):
    """Generated samples are less diverse than real ones."""

    patience: int = setting(4, PATIENCE_DOC)
    diversity: float = setting(0.1, "mean distance between generated samples is at most this share of real ones'")
    neighbours: float = setting(
        0.15, "or their nearest training samples are at most this share as many as those of held-out ones"
    )
    modes: float = setting(0.3, "or they fill at most this share of a mixture's modes")
    class_kl: float = setting(0.7, "or their classes are this far from the data's in nats (needs train.eval_every)")
    slow_patience: int = setting(
        12, "reports in a row for neighbours, modes and class_kl, whose healthy range G reaches later"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_share(self, "diversity", "neighbours", "modes")
        least = max(1, self.patience)
        require(self.slow_patience >= least, "slow_patience", self.slow_patience, f"an integer >= {least}")
        require(self.class_kl > 0, "class_kl", self.class_kl, "a number > 0")


@dataclass
class OverfitSection(Thresholds):
    """D estimates more divergence on the samples it trains on than on held-out ones: it memorizes them."""

    gap: float = setting(
        0.5,
        "the divergence on training samples exceeds that on held-out ones by more than this share of its ceiling, or of"
        " itself where it has none",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_share(self, "gap")


@dataclass
class OscillationSection(Thresholds):
    """The balance of D and G oscillates instead of converging."""

    patience: int = setting(20, "number of latest reports that it is computed from; 0: never")
    acts: bool = setting(False, ACTS_DOC)
    swing: float = setting(0.2, "mean absolute change of 2 AUC - 1 between reports is at least this, of 2 at most")
    turns: float = setting(0.5, "and at least this share of changes reverse the sign of the one before")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.swing > 0, "swing", self.swing, "a number > 0")
        _require_share(self, "turns")


@dataclass
class PosteriorSection(Thresholds):
    """A VAE's code carries no information on the sample: the decoder has learned to do without it."""

    acts: bool = setting(False, ACTS_DOC)
    active: float = setting(0.05, "at most this share of z's dimensions varies from sample to sample")

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_share(self, "active")


@dataclass
class RollbackSection:
    """Changes that diagnostics.on_alarm=rollback makes when it restores the last good checkpoint."""

    times: int = setting(3, "rollbacks in a run, at most; after that an alarm stops it")
    lr_g: float = setting(0.5, "factor on G's learning rate")
    lr_d: float = setting(0.5, "factor on D's learning rate")
    sigma: float = setting(0.0, "standard deviation that is added to that of the instance noise")

    def __post_init__(self) -> None:
        require(self.times >= 1, "times", self.times, "an integer >= 1")
        for key in ("lr_g", "lr_d"):
            require(0 < getattr(self, key) < math.inf, key, getattr(self, key), "a number > 0")
        require(0 <= self.sigma < math.inf, "sigma", self.sigma, "a number >= 0")


@dataclass
class DiagnosticsSection:
    """Probes beside training, and thresholds of the alarms."""

    every: int = setting(1, "reports from one probe to the next; 0: none")
    samples: int = setting(128, "samples of a probe: real, held-out and generated ones each")
    on_alarm: OnAlarm = setting(OnAlarm.warn, "warn, stop, or rollback to the last good checkpoint")
    rollback: RollbackSection = field(default_factory=RollbackSection)
    discriminator_too_strong: TooStrongSection = field(default_factory=TooStrongSection)
    discriminator_too_weak: TooWeakSection = field(default_factory=TooWeakSection)
    vanishing_gradient: VanishingSection = field(default_factory=VanishingSection)
    mode_collapse: CollapseSection = field(default_factory=CollapseSection)
    discriminator_overfits: OverfitSection = field(default_factory=OverfitSection)
    oscillation: OscillationSection = field(default_factory=OscillationSection)
    posterior_collapse: PosteriorSection = field(default_factory=PosteriorSection)

    def __post_init__(self) -> None:
        require(self.every >= 0, "every", self.every, "an integer >= 0 (0: none)")
        require(self.samples >= 8, "samples", self.samples, "an integer >= 8")


# Alarms that have thresholds; non_finite alone has none.
ALARMS = tuple(
    item.name
    for item in dataclasses.fields(DiagnosticsSection)
    if isinstance(item.default_factory, type(Thresholds)) and issubclass(item.default_factory, Thresholds)
)
