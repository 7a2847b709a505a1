"""Interface of the random streams of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Stream(Protocol):
    """A source of random numbers, drawn with one row a sample."""

    @property
    def rng_generators(self) -> Sequence[torch.Generator]:
        """The ``torch.Generator`` objects that it draws from."""
        ...

    def normal(self, rows: int, width: int) -> Tensor:
        """Draw ``(rows, width)`` from N(0, 1), on the stream's device."""
        ...

    def normal_like(self, samples: Tensor) -> Tensor:
        """Draw numbers from N(0, 1) for samples ``(N, *shape)``, in their memory layout."""
        ...

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers uniform in [0, 1); ``shape`` begins with the rows."""
        ...

    def integers(self, high: int, rows: int) -> Tensor:
        """Draw ``(rows,)`` uniform in [0, high), int64."""
        ...

    def get_state(self) -> Tensor:
        """Return the state, for a checkpoint."""
        ...

    def set_state(self, state: Tensor) -> None:
        """Restore a state that :meth:`get_state` returned."""
        ...
