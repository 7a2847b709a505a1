"""Real minibatches of one fixed shape: from device memory, from a memory-mapped file, or drawn from a density.

The order of stored samples is that of :class:`EpochOrder`, so the whole state of their sampler is the number of samples
it has served.

``prepare`` is the host's part, which may copy and wait; ``take`` launches work on the device and no more, so that a
step that takes batches can be captured in a CUDA graph: the read position is a number in device memory.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from gan_cli.config.schema import DataPlacement
from gan_cli.data.epoch_order import EpochOrder, ShardedOrder
from gan_cli.data.mirror_images import mirror_some, split_mirrored
from gan_cli.data.normalization import Normalization, stored_tensor, stored_view
from gan_cli.data.prefetching import Prefetcher, condition_buffer
from gan_cli.errors import ConfigError
from gan_cli.protocols.data import Batch, Density, Rows, Sampler, StoredSamples, TransformedNumbers
from gan_cli.runtime.distributed import ProcessGroup
from gan_cli.runtime.memory import total_host_memory
from gan_cli.runtime.rng import restore_generator, seeded_generator
from gan_cli.runtime.transfer import move_without_waiting

logger = logging.getLogger(__name__)

# Indices copied to the device at a time, at least: so that tiny datasets do not copy every few steps.
INDICES_AHEAD = 2**16
# Bytes that a host is taken to have where the system does not tell.
UNKNOWN_MEMORY = 8 * 2**30


def choose_sampler(
    source: StoredSamples | Density, batch_size: int, device: torch.device, placement: DataPlacement
) -> Callable[[Any, int, int, torch.device, int, ProcessGroup], Sampler]:
    """Return the sampler class that suits the data and the available memory, and log which one it is.

    Raises:
        ConfigError: the batch is larger than the dataset.
    """
    if not isinstance(source, StoredSamples):
        logger.info("data: samples are drawn anew for each batch")
        return DensitySampler
    count, size = source.count, source.array.nbytes
    require_whole_batch(count, batch_size)
    if placement is DataPlacement.auto:
        resident = size <= 0.25 * _memory(device)
    else:
        resident = placement is DataPlacement.resident
    how = f"all in memory of the {device.type}" if resident else "read batch by batch"
    noun = "rows" if isinstance(source, Rows) else "images"
    logger.info("data: %s %s to train on, %.1f MB, %s", f"{count:,}", noun, size / 1e6, how)
    return ResidentSampler if resident else StreamedSampler


def require_whole_batch(count: int, batch_size: int) -> None:
    """Raise ``ConfigError`` if a batch is larger than the number of samples to train on."""
    if batch_size > count:
        raise ConfigError(f"train.batch_size: expected at most the {count} samples to train on, got {batch_size}")


def _memory(device: torch.device) -> float:
    """Return the device's total memory in bytes."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(total_host_memory() or UNKNOWN_MEMORY)


class ResidentSampler:
    """Sampler with all samples on the device as they are stored; a batch is a gather and a normalisation there.

    ``max_batches`` is the largest number of batches prepared at once; ``batch_size`` counts the rows of this process.
    """

    waited: None = None
    rng_generators: ClassVar[Sequence[torch.Generator]] = ()

    def __init__(
        self,
        source: StoredSamples,
        batch_size: int,
        seed: int,
        device: torch.device,
        max_batches: int,
        group: ProcessGroup,
    ) -> None:
        self._array = torch.tensor(stored_view(source.array[:]), device=device)
        self._normalize = Normalization(source.levels)
        self._labels = None if source.conditions is None else torch.tensor(source.conditions, device=device)
        self._mirrored = source.mirrored
        self._order = EpochOrder(source, seed)
        self._batch_size, self._global_batch = batch_size, batch_size * group.size
        self._consumed = 0
        # A section of the order on the device, where it ends, and where in it the next batch begins.
        room = max(source.count, max_batches * self._global_batch, INDICES_AHEAD)
        self._indices = torch.empty(room, dtype=torch.int64, device=device)
        self._buffered_end = 0
        self._offset = torch.zeros((), dtype=torch.int64, device=device)
        self._range = group.local_shard(torch.arange(max_batches * self._global_batch, device=device), batch_size)

    def prepare(self, batches: int) -> None:
        """Copy more of the order to the device where fewer than ``batches`` batches are left: about once an epoch."""
        wanted = batches * self._global_batch
        if self._consumed + wanted > self._buffered_end:
            # Queued on the stream after the work that still reads the old indices.
            order = self._order.indices(self._consumed, len(self._indices))
            self._indices.copy_(move_without_waiting(order, self._indices.device))
            self._buffered_end = self._consumed + len(self._indices)
            self._offset.zero_()
        self._consumed += wanted

    def take(self, batches: int) -> Batch:
        """Return samples ``(batches * batch_size, *shape)``, in [-1, 1]."""
        indices = self._indices[self._offset + self._range[: batches * self._batch_size]]
        self._offset.add_(batches * self._global_batch)
        rows, mirrored = split_mirrored(indices, len(self._array)) if self._mirrored else (indices, None)
        values = self._array.index_select(0, rows)  # copies whole rows, where indexing goes number by number on a CPU
        values = values if mirrored is None else mirror_some(values, mirrored)
        return Batch(self._normalize(values), None if self._labels is None else self._labels[rows])

    def state_dict(self) -> dict[str, Any]:
        """Return the number of samples served so far."""
        return {"given": self._consumed}  # key kept for checkpoints of earlier versions

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._consumed = int(state["given"])
        self._buffered_end = 0

    def close(self) -> None:
        """Do nothing: this sampler has no background thread."""


class StreamedSampler:
    """Sampler of samples that stay in their (memory-mapped) array; a thread gathers batches ahead of their use."""

    rng_generators: ClassVar[Sequence[torch.Generator]] = ()

    def __init__(
        self,
        source: StoredSamples,
        batch_size: int,
        seed: int,
        device: torch.device,
        max_batches: int,
        group: ProcessGroup,
    ) -> None:
        self._source = source
        self._seed = seed
        self._batch_size = batch_size
        self._group = group
        self._device = device
        self._consumed = 0
        self.waited = 0.0
        self._prefetcher: Prefetcher | None = None
        # The batches that :meth:`prepare` has copied to the device, at fixed addresses, and how many rows are taken.
        room = max_batches * batch_size
        dtype = stored_tensor(np.empty(0, source.array.dtype)).dtype
        self._staged = torch.empty(room, *source.array.shape[1:], dtype=dtype, device=device)
        self._normalize = Normalization(source.levels)
        self._labels = condition_buffer(source, room, device=device)
        self._taken = 0

    def prepare(self, batches: int) -> None:
        """Copy ``batches`` batches to the device; wait where the thread has not gathered them yet."""
        count = batches * self._batch_size
        if self._prefetcher is None:
            order = ShardedOrder(EpochOrder(self._source, self._seed), self._group, self._batch_size, self._consumed)
            self._prefetcher = Prefetcher(self._source, order, self._batch_size, self._device)
        for start in range(0, count, self._batch_size):
            rows = slice(start, start + self._batch_size)
            before = time.perf_counter()
            staged = self._prefetcher.take()
            self.waited += time.perf_counter() - before
            self._staged[rows].copy_(staged.values, non_blocking=True)
            if self._labels is not None:
                assert staged.labels is not None
                self._labels[rows].copy_(staged.labels, non_blocking=True)
            self._prefetcher.release(staged)
        self._consumed += count * self._group.size
        self._taken = 0

    def take(self, batches: int) -> Batch:
        """Return samples ``(batches * batch_size, *shape)``, in [-1, 1]."""
        rows = slice(self._taken, self._taken + batches * self._batch_size)
        self._taken = rows.stop
        # A copy: the next :meth:`prepare` overwrites these labels.
        labels = None if self._labels is None else self._labels[rows].clone()
        return Batch(self._normalize(self._staged[rows]), labels)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of samples served so far; prefetched ones do not count."""
        return {"given": self._consumed}  # key kept for checkpoints of earlier versions

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.close()
        self._consumed = int(state["given"])

    def close(self) -> None:
        """Stop the prefetching thread, if it runs."""
        if self._prefetcher is not None:
            self._prefetcher.stop()
            self._prefetcher = None


class DensitySampler:
    """Sampler of fresh points from a density, drawn on the device."""

    waited: None = None

    def __init__(
        self, source: Density, batch_size: int, seed: int, device: torch.device, max_batches: int, group: ProcessGroup
    ) -> None:
        self._source = source.on(device)
        self._group = group
        self._batch_size = batch_size
        self._seed = seed
        self._generator = seeded_generator(seed, "data", device)

    @property
    def rng_generators(self) -> Sequence[torch.Generator]:
        """The random stream that points are drawn from."""
        return (self._generator,)

    def prepare(self, batches: int) -> None:
        """Do nothing: points are drawn when they are taken."""

    def take(self, batches: int) -> Batch:
        """Return points ``(batches * batch_size, D)``."""
        global_batch = batches * self._batch_size * self._group.size
        return Batch(self._group.local_shard(self._source.draw(global_batch, self._generator), self._batch_size))

    def take_numbers(self, batches: int) -> tuple[Tensor, ...] | None:
        """Draw the random numbers of the next ``batches`` batches in a single process; None where points have none."""
        if not isinstance(self._source, TransformedNumbers):
            return None
        return self._source.numbers(batches * self._batch_size, self._generator)

    def transform(self, numbers: Sequence[Tensor]) -> Batch:
        """Return the points of rows of :meth:`take_numbers`, which may come from several samplers of one density."""
        assert isinstance(self._source, TransformedNumbers)
        return Batch(self._source.transform(*numbers))

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the random stream."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore_generator(self._generator, state["generator"], self._seed, "data")

    def close(self) -> None:
        """Do nothing: this sampler has no background thread."""


class DataWait:
    """Share of time between two reports that the host spends waiting for data."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._since = (time.perf_counter(), 0.0)

    def metrics(self) -> dict[str, float]:
        """Return ``speed/data_wait``, in [0, 1], since the last call; empty where the host never waits."""
        if self._sampler.waited is None:
            return {}
        (then, before), now = self._since, (time.perf_counter(), self._sampler.waited)
        self._since = now
        return {"speed/data_wait": (now[1] - before) / max(now[0] - then, 1e-9)}
