"""Interface of random streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Stream(Protocol):
    """Where random numbers come from. What is drawn has one row a sample."""

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """torch's generators behind it."""
        ...

    def normal(self, rows: int, width: int) -> Tensor:
        """``(rows, width)`` from N(0, 1), on the stream's device."""
        ...

    def normal_like(self, samples: Tensor) -> Tensor:
        """Numbers from N(0, 1) for samples ``(N, *shape)``, in their memory layout."""
        ...

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1); ``shape`` begins with the rows."""
        ...

    def integers(self, high: int, rows: int) -> Tensor:
        """``(rows,)`` uniform in [0, high), int64."""
        ...

    def get_state(self) -> Tensor:
        """The state, for a checkpoint."""
        ...

    def set_state(self, state: Tensor) -> None:
        """Restore :meth:`get_state`."""
        ...
