"""Random streams of a run, each apart from all others, so that what one draws moves none of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from gan_cli.device import seeded_generator


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

    def integers(self, high: int, rows: int) -> Tensor:
        """``(rows,)`` uniform in [0, high), int64."""
        ...

    def get_state(self) -> Tensor:
        """The state, for a checkpoint."""
        ...

    def set_state(self, state: Tensor) -> None:
        """Restore :meth:`get_state`."""
        ...


class SeededStream:
    """A stream that is a function of the run's seed and a name."""

    def __init__(self, seed: int, name: str, device: torch.device) -> None:
        self._generator = seeded_generator(seed, name, device)

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """The one there is."""
        return (self._generator,)

    def normal(self, rows: int, width: int) -> Tensor:
        """``(rows, width)`` from N(0, 1)."""
        return torch.randn(rows, width, generator=self._generator, device=self._generator.device)

    def normal_like(self, samples: Tensor) -> Tensor:
        """Numbers from N(0, 1) for samples ``(N, *shape)``."""
        return torch.empty_like(samples).normal_(generator=self._generator)

    def integers(self, high: int, rows: int) -> Tensor:
        """``(rows,)`` uniform in [0, high)."""
        return torch.randint(high, (rows,), generator=self._generator, device=self._generator.device)

    def get_state(self) -> Tensor:
        """The generator's state."""
        return self._generator.get_state()

    def set_state(self, state: Tensor) -> None:
        """Restore :meth:`get_state`."""
        self._generator.set_state(state)
