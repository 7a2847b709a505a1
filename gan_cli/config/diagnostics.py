"""Section ``diagnostics`` of the configuration: probes beside training, and thresholds of alarms. Imports no torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, TypeAlias

from gan_cli.components.ranges import CountOrNone, NonNegative, Positive, Range, Share, check_ranges
from gan_cli.config.fields import setting
from gan_cli.errors import require


class OnAlarm(Enum):
    """Reaction of a run to an alarm of its diagnostics."""

    warn = "warn"
    stop = "stop"
    rollback = "rollback"


ACTS_DOC = "whether diagnostics.on_alarm=stop or rollback applies to it"
PATIENCE_DOC = "reports in a row after which the alarm is raised; 0: never"


Patience: TypeAlias = Annotated[int, Range(0, 1_000_000, note="0: never")]


@dataclass
class Thresholds:
    """Settings that the thresholds of every alarm have in common."""

    patience: Patience = setting(5, PATIENCE_DOC)
    acts: bool = setting(True, ACTS_DOC)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass
class TooStrongSection(Thresholds):
    """D separates real from generated samples, and the divergence sits at its ceiling."""

    accuracy: Share = setting(0.99, "D's accuracy on either side is at least this")
    divergence: Share = setting(0.9, "and the divergence at least this share of its ceiling")


@dataclass
class TooWeakSection(Thresholds):
    """D separates the samples less well than a nearest-neighbour test, so that its estimate means nothing."""

    acts: bool = setting(False, ACTS_DOC)
    auc: Share = setting(0.6, "D ranks at most this share of pairs correctly")
    neighbours: Share = setting(0.9, "while the 1-nearest-neighbour two-sample test has at least this accuracy")


@dataclass
class VanishingSection(Thresholds):
    """The gradient that D gives to G has vanished."""

    share: Share = setting(0.01, "the gradient is at most this share of its peak (running median over 5 reports)")
    auc: Share = setting(0.75, "although D ranks at least this share of pairs correctly: there is more to learn")


@dataclass
class CollapseSection(Thresholds):
    """Generated samples are less diverse than real ones."""

    patience: Patience = setting(4, PATIENCE_DOC)
    diversity: Share = setting(0.1, "mean distance between generated samples is at most this share of real ones'")
    neighbours: Share = setting(
        0.15, "or their nearest training samples are at most this share as many as those of held-out ones"
    )
    modes: Share = setting(0.3, "or they cover at most this share of a mixture's modes")
    lost: Share = setting(0.5, "or at most this share of those that they covered at the peak")
    class_kl: Annotated[float, Range(0, 100, above=True)] = setting(
        0.7, "or their classes are this far from the data's in nats (needs train.eval_every)"
    )
    slow_patience: Annotated[int, Range(1, 1_000_000)] = setting(
        12, "reports in a row for neighbours, modes, lost and class_kl, whose healthy range G reaches later"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        least = max(1, self.patience)
        require(self.slow_patience >= least, "slow_patience", self.slow_patience, f"an integer >= {least}")


@dataclass
class OverfitSection(Thresholds):
    """D estimates more divergence on the samples it trains on than on held-out ones: it memorizes them."""

    gap: Share = setting(
        0.5,
        "the divergence on training samples exceeds that on held-out ones by more than this share of its ceiling, or of"
        " itself where it has none",
    )
    note: Share = setting(0.25, "share from which on the end of the run mentions it, if no alarm lasts")


@dataclass
class OscillationSection(Thresholds):
    """The balance of D and G oscillates instead of converging."""

    patience: Patience = setting(20, "number of latest reports that it is computed from; 0: never")
    acts: bool = setting(False, ACTS_DOC)
    swing: Annotated[float, Range(0, 100, above=True)] = setting(
        0.2, "mean absolute change of 2 AUC - 1 between reports is at least this, of 2 at most"
    )
    turns: Share = setting(0.5, "and at least this share of changes reverse the sign of the one before")


@dataclass
class PosteriorSection(Thresholds):
    """A VAE's code carries no information on the sample: the decoder has learned to do without it."""

    acts: bool = setting(False, ACTS_DOC)
    active: Share = setting(0.05, "at most this share of z's dimensions varies from sample to sample")


@dataclass
class RollbackSection:
    """Changes that diagnostics.on_alarm=rollback makes when it restores the last good checkpoint."""

    times: Annotated[int, Range(1, 1000)] = setting(3, "rollbacks in a run, at most; after that an alarm stops it")
    lr_g: Positive = setting(0.5, "factor on G's learning rate")
    lr_d: Positive = setting(0.5, "factor on D's learning rate")
    sigma: NonNegative = setting(0.0, "standard deviation that is added to that of the instance noise")

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass
class DiagnosticsSection:
    """Probes beside training, and thresholds of the alarms."""

    every: CountOrNone = setting(1, "reports from one probe to the next; 0: none")
    samples: Annotated[int, Range(8, 10_000)] = setting(
        128, "samples of a probe: real, held-out and generated ones each"
    )
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
        check_ranges(self)


# Alarms that have thresholds; non_finite alone has none.
ALARMS = tuple(
    item.name
    for item in dataclasses.fields(DiagnosticsSection)
    if isinstance(item.default_factory, type(Thresholds)) and issubclass(item.default_factory, Thresholds)
)
