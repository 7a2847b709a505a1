"""Micro-batches: equal parts of a batch that pass through the networks one after another, and draw as the whole does.

Activations are those of one part at a time; the gradients of the parts add up to that of the batch in
:class:`~gan_cli.algorithms.update_scope.UpdateScope`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor

from gan_cli.protocols.rng import Stream

# A tensor of rows, or a dataclass whose tensors have a row for each sample.
BatchT = TypeVar("BatchT")


class MicroBatches:
    """Divides batches into ``count`` equal parts; a count of 1 leaves them whole.

    Attributes:
        count: number of parts.
    """

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self._part: int | None = None
        # While a batch is divided: what each stream has drawn for all of it, and how much of that this part has taken.
        self._drawn: defaultdict[Stream, list[Tensor]] = defaultdict(list)
        self._taken: Counter[Stream] = Counter()

    def divide(self, batch: BatchT) -> Iterator[BatchT]:
        """Yield the parts of a batch, in the order of its rows; random numbers in between are drawn for all of it."""
        if self.count == 1:
            yield batch
            return
        try:
            for index, part in enumerate(chunk_rows(batch, self.count)):
                self._part = index
                self._taken.clear()
                yield part
        finally:
            self._part = None
            self._drawn.clear()

    def draw(self, stream: Stream, rows: int, function: Callable[[int], Tensor]) -> Tensor:
        """Return random numbers for the present part, or for what lies outside of any.

        Every part makes the same draws; the first one makes them for the whole batch.

        Args:
            stream: that is drawn from.
            rows: of one part of one batch.
            function: draws for that many times the rows that are wanted.
        """
        if self._part is None:
            return function(1)
        drawn, index = self._drawn[stream], self._taken[stream]
        self._taken[stream] += 1
        if index == len(drawn):
            drawn.append(function(self.count))
        # The rows may be those of several batches, concatenated.
        return join_rows(
            [batch.chunk(self.count)[self._part] for batch in torch.split(drawn[index], self.count * rows)]
        )


def chunk_rows(batch: BatchT, count: int) -> Iterator[BatchT]:
    """Yield ``count`` equal chunks of the rows of a batch."""
    if isinstance(batch, Tensor):
        yield from cast(Sequence[BatchT], batch.chunk(count))
        return
    chunks = {name: value.chunk(count) for name, value in _tensors(batch).items()}
    for index in range(count):
        yield dataclasses.replace(batch, **{name: each[index] for name, each in chunks.items()})  # type: ignore[type-var]


def join_rows(parts: Sequence[BatchT]) -> BatchT:
    """Concatenate the rows of parts, the inverse of :func:`chunk_rows`; a single one is returned as it is."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, Tensor):
        return cast(BatchT, torch.cat(cast(list[Tensor], list(parts))))
    columns = {name: [getattr(part, name) for part in parts] for name in _tensors(first)}
    return dataclasses.replace(first, **{name: torch.cat(column) for name, column in columns.items()})  # type: ignore[type-var]


def _tensors(batch: object) -> dict[str, Tensor]:
    """Return the fields of a dataclass that are tensors, by their names."""
    values = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}  # type: ignore[arg-type]
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}


class DividedStream:
    """A stream whose draws for a micro-batch are the rows that the whole batch would have drawn for its samples."""

    def __init__(self, stream: Stream, micro_batches: MicroBatches, batch_size: int) -> None:
        """``batch_size`` is the number of rows of a whole batch in this process."""
        self._stream = stream
        self._micro_batches = micro_batches
        self._rows = batch_size // micro_batches.count

    @property
    def rng_generators(self) -> Sequence[torch.Generator]:
        return self._stream.rng_generators

    def normal(self, rows: int, width: int) -> Tensor:
        return self._draw(lambda count: self._stream.normal(count * rows, width))

    def normal_like(self, samples: Tensor) -> Tensor:
        return self._draw(lambda count: self._stream.normal_like(join_rows([samples] * count)))

    def uniform(self, *shape: int) -> Tensor:
        rows, *rest = shape
        return self._draw(lambda count: self._stream.uniform(count * rows, *rest))

    def integers(self, high: int, rows: int) -> Tensor:
        return self._draw(lambda count: self._stream.integers(high, count * rows))

    def get_state(self) -> Tensor:
        return self._stream.get_state()

    def set_state(self, state: Tensor) -> None:
        self._stream.set_state(state)

    def _draw(self, function: Callable[[int], Tensor]) -> Tensor:
        return self._micro_batches.draw(self._stream, self._rows, function)
