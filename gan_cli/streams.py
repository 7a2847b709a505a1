"""Random streams of a run, each apart from all others, so that what one draws moves none of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from gan_cli.device import seeded_generator
from gan_cli.processes import Group


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

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1)."""
        return torch.rand(shape, generator=self._generator, device=self._generator.device)

    def integers(self, high: int, rows: int) -> Tensor:
        """``(rows,)`` uniform in [0, high)."""
        return torch.randint(high, (rows,), generator=self._generator, device=self._generator.device)

    def get_state(self) -> Tensor:
        """The generator's state."""
        return self._generator.get_state()

    def set_state(self, state: Tensor) -> None:
        """Restore :meth:`get_state`."""
        self._generator.set_state(state)


class SharedStream:
    """A stream that several processes draw from together: each draws all rows, as one alone would, and keeps its own.

    So what a run draws depends on its batch, not on how many processes share it.
    """

    def __init__(self, stream: Stream, group: Group, batch_size: int) -> None:
        """``batch_size``: rows of a batch that belong to one process."""
        self._stream = stream
        self._group = group
        self._batch_size = batch_size

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """Those of the stream."""
        return self._stream.generators

    def normal(self, rows: int, width: int) -> Tensor:
        """``(rows, width)`` from N(0, 1)."""
        return self._own(self._stream.normal(rows * self._group.size, width))

    def normal_like(self, samples: Tensor) -> Tensor:
        """Numbers from N(0, 1) for samples ``(N, *shape)``."""
        return self._own(self._stream.normal_like(torch.cat([samples] * self._group.size)))

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1)."""
        rows, *rest = shape
        return self._own(self._stream.uniform(rows * self._group.size, *rest))

    def integers(self, high: int, rows: int) -> Tensor:
        """``(rows,)`` uniform in [0, high)."""
        return self._own(self._stream.integers(high, rows * self._group.size))

    def get_state(self) -> Tensor:
        """The stream's, the same in every process."""
        return self._stream.get_state()

    def set_state(self, state: Tensor) -> None:
        """Restore :meth:`get_state`."""
        self._stream.set_state(state)

    def _own(self, rows: Tensor) -> Tensor:
        return self._group.own(rows, self._batch_size)
