"""What is known of a family of models before there is one: its networks in outline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Sizes:
    """What networks are built for.

    Attributes:
        shape: of a sample.
        classes: that they are told; 0: none.
        pac: samples that are judged as one.
        vocabulary: tokens there are, where samples are sequences.
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
        run: makes a forward pass of two samples through all of them.
    """

    networks: Mapping[str, nn.Module]
    run: Callable[[], object]
