"""What is known of an algorithm before there is one: its class says what it learns, takes, heeds, reports and fears."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import nn

from gan_cli.config.diagnostics import DiagnosticsSection
from gan_cli.config.schema import Config, LossSection
from gan_cli.diagnostics.rules import Symptom

# Settings outside of an algorithm's own node that not every algorithm heeds.
PARTICULAR = (
    "conditional",
    "pac",
    "ema.half_life",
    "train.replicas",
    "device.compile",
    "device.graph",
    "device.sync_batch_norm",
)


@dataclass(frozen=True)
class Sizes:
    """What networks are built for; classes and words of data that are not loaded yet are stood in for.

    Attributes:
        shape: of one sample.
        classes: how many classes networks are told; 0: none.
        pac: samples that D judges as one.
        vocabulary: how many words sequences are written in; 0: the data are none.
    """

    shape: tuple[int, ...]
    classes: int = 0
    pac: int = 1
    vocabulary: int = 0


@dataclass(frozen=True)
class Outline:
    """Networks without memory behind their weights.

    Attributes:
        networks: by name.
        run: passes two samples forward through all of them.
    """

    networks: Mapping[str, nn.Module]
    run: Callable[[], object]


class Family(Protocol):
    """The class of an algorithm.

    Its constructor's parameters say which parts of a run it takes (see ``build.PROVIDED``); what it does not take,
    nobody may configure.

    Attributes:
        learns: the kinds of data that it can learn (``data_protocols``).
        heeds: keys of settings outside of its own node that mean something to it, of those in :data:`PARTICULAR`.
        charts: of TensorBoard's "Custom Scalars" page: title, a question -> tags, or patterns of tags.
        notes: tag -> what TensorBoard says behind the "i" of its chart.
        compared_by: tags by which TensorBoard's HParams page compares runs.
    """

    learns: ClassVar[tuple[type, ...]]
    heeds: ClassVar[frozenset[str]]
    charts: ClassVar[Mapping[str, Sequence[str]]]
    notes: ClassVar[Mapping[str, str]]
    compared_by: ClassVar[tuple[str, ...]]

    @classmethod
    def outline(cls, architecture: Any, sizes: Sizes) -> Outline:
        """The networks, built where nothing takes memory; raises ``ConfigError`` if they do not fit the data."""
        ...

    @classmethod
    def check(cls, config: Config, loss: LossSection, outline: Outline) -> None:
        """Raise ``ConfigError`` for what is right by itself, but not together."""
        ...

    @classmethod
    def symptoms(cls, limits: DiagnosticsSection, loss: LossSection) -> list[Symptom]:
        """What may go wrong."""
        ...

    @classmethod
    def reports(cls, loss: LossSection) -> frozenset[str]:
        """Tags of its reports that a sweeper may improve: less or more of them is better."""
        ...
