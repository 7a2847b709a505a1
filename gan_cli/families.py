"""What is known of an algorithm before there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Sizes:
    """What networks are to fit.

    Attributes:
        shape: of a sample.
        classes: of the labels.
        pac: samples that D judges as one.
        vocabulary: how many tokens there are; 0: samples are no sequences.
    """

    shape: tuple[int, ...]
    classes: int
    pac: int = 1
    vocabulary: int = 0


@dataclass(frozen=True)
class Outline:
    """Networks, and how samples pass through them.

    Attributes:
        networks: by name.
        run: makes one forward pass of two samples through all of them, on the meta device.
    """

    networks: Mapping[str, nn.Module]
    run: Callable[[], object]
