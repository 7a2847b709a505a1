"""Class-level declarations of an algorithm: data and settings that it supports, its tags, its networks, its alarms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import nn

from gan_cli.components.losses import Loss
from gan_cli.config.diagnostics import DiagnosticsSection
from gan_cli.config.schema import Config
from gan_cli.diagnostics.rules import AlarmRule

# Settings outside of an algorithm's own node that not every algorithm supports.
ALGORITHM_SPECIFIC_KEYS = (
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
    """Sizes of the data that networks are built for; placeholders for classes and words of data not loaded yet.

    Attributes:
        shape: of one sample.
        classes: number of classes that networks are conditioned on; 0: none.
        pac: samples that D classifies jointly.
        vocabulary: number of words of sequences; 0: the data are no sequences.
    """

    shape: tuple[int, ...]
    classes: int = 0
    pac: int = 1
    vocabulary: int = 0


@dataclass(frozen=True)
class Outline:
    """Networks on torch's meta device, whose weights take no memory.

    Attributes:
        networks: by name.
        run: passes two samples forward through all of them.
    """

    networks: Mapping[str, nn.Module]
    run: Callable[[], object]


class Family(Protocol):
    """Interface of the class of an algorithm, as opposed to its instances.

    The parameters of its constructor determine the parts of a run that it is given (see ``runs.builder.PROVIDED``);
    parts that it has no parameter for cannot be configured. Its methods are given the :class:`Loss` if the constructor
    has a parameter ``loss``, otherwise None.

    Attributes:
        supported_data: the kinds of data that it can learn (``protocols.data``).
        supported_settings: those of :data:`ALGORITHM_SPECIFIC_KEYS` that have an effect on it.
        charts: of TensorBoard's "Custom Scalars" page: title, a question -> tags, or patterns of tags.
        notes: tag -> text that TensorBoard shows behind the "i" of its chart.
        hparam_metrics: tags by which TensorBoard's HParams page compares runs.
    """

    supported_data: ClassVar[tuple[type, ...]]
    supported_settings: ClassVar[frozenset[str]]
    charts: ClassVar[Mapping[str, Sequence[str]]]
    notes: ClassVar[Mapping[str, str]]
    hparam_metrics: ClassVar[tuple[str, ...]]

    @classmethod
    def outline(cls, architecture: Any, sizes: Sizes) -> Outline:
        """Build the networks under ``torch.device("meta")``; raises ``ConfigError`` if they do not fit the data."""
        ...

    @classmethod
    def check(cls, config: Config, loss: Loss | None, outline: Outline) -> None:
        """Raise ``ConfigError`` for settings that are valid one by one, but not in combination."""
        ...

    @classmethod
    def alarm_rules(cls, limits: DiagnosticsSection, loss: Loss | None) -> list[AlarmRule]:
        """Return the rules by which alarms are raised."""
        ...

    @classmethod
    def reports(cls, loss: Loss | None) -> frozenset[str]:
        """Return the tags of its reports that a sweep may optimize, because lower or higher values are better."""
        ...
