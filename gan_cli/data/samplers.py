"""Real minibatches of one fixed shape: from device memory, from a memory-mapped file, or drawn from a density.

Stored samples are traversed in epochs. The order of epoch ``e`` is a function of (seed, e) alone, and an epoch's last,
short batch is completed from the next one; so the whole state of a sampler is the number of samples it has served.

``prepare`` is the host's part, which may copy and wait; ``take`` launches work on the device and no more, so that a
step that takes batches can be captured in a CUDA graph: the read position is a number in device memory.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from gan_cli.config.schema import DataPlacement
from gan_cli.data.normalization import Normalization, stored_tensor, stored_view
from gan_cli.errors import ConfigError
from gan_cli.protocols.data import Batch, Density, Sampler, StoredSamples, TransformedNumbers
from gan_cli.runtime.distributed import ProcessGroup
from gan_cli.runtime.memory import total_host_memory
from gan_cli.runtime.rng import restore_generator, seeded_generator
from gan_cli.runtime.transfer import move_without_waiting

logger = logging.getLogger(__name__)

PREFETCHED_BATCHES = 4
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
    logger.info("data: %s images to train on, %.1f MB, %s", f"{count:,}", size / 1e6, how)
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


class EpochOrder:
    """Rows of consecutive samples: the concatenation of epochs that are reshuffled each.

    The mirror image of row ``r`` of ``N`` is ``N + r``; see :func:`split_mirrored`.
    """

    def __init__(self, source: StoredSamples, seed: int) -> None:
        self._rows = _rows_in_use(source)
        self._count = source.count
        self._seed = seed
        self._epoch = -1
        self._permutation = torch.empty(0, dtype=torch.int64)

    def indices(self, start: int, count: int) -> Tensor:
        """Return the indices from ``start`` to ``start + count`` of the endless sequence, ``(count,)`` int64."""
        parts, missing = [], count
        while missing > 0:
            epoch, offset = divmod(start + count - missing, self._count)
            parts.append(self._order(epoch)[offset : offset + missing])
            missing -= len(parts[-1])
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _order(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            generator = seeded_generator(self._seed, f"epoch {epoch}", torch.device("cpu"))
            order = torch.randperm(self._count, generator=generator)
            self._permutation = order if self._rows is None else self._rows[order]
            self._epoch = epoch
        return self._permutation


def _rows_in_use(source: StoredSamples) -> Tensor | None:
    """Return the rows to train on, those of mirror images last; None: all, and no mirror images or those of all."""
    if source.rows is None:
        return None
    rows = torch.from_numpy(source.rows)
    return torch.cat([rows, rows + len(source.array)]) if source.mirrored else rows


def split_mirrored(indices: Tensor, total: int) -> tuple[Tensor, Tensor]:
    """Split indices of :class:`EpochOrder` into rows of an array of ``total``, and whether they are mirrored."""
    return indices % total, indices >= total


def mirror_some(samples: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror the samples ``(N, ..., W)``, of any dtype, where ``(N,)`` bool says so, along their last axis."""
    return torch.where(mirrored.reshape(-1, *(1,) * (samples.dim() - 1)), samples.flip(-1), samples)


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
        self._array = torch.tensor(stored_view(source.array), device=device)
        self._normalize = Normalization(source.levels)
        self._labels = None if source.labels is None else torch.tensor(source.labels, device=device)
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
        self._prefetcher: _Prefetcher | None = None
        # The batches that :meth:`prepare` has copied to the device, at fixed addresses, and how many rows are taken.
        room = max_batches * batch_size
        dtype = stored_tensor(np.empty(0, source.array.dtype)).dtype
        self._staged = torch.empty(room, *source.array.shape[1:], dtype=dtype, device=device)
        self._normalize = Normalization(source.levels)
        self._labels = None if source.labels is None else torch.empty(room, dtype=torch.int64, device=device)
        self._taken = 0

    def prepare(self, batches: int) -> None:
        """Copy ``batches`` batches to the device; wait where the thread has not gathered them yet."""
        count = batches * self._batch_size
        if self._prefetcher is None:
            order = _ShardedOrder(EpochOrder(self._source, self._seed), self._group, self._batch_size, self._consumed)
            self._prefetcher = _Prefetcher(self._source, order, self._batch_size, self._device)
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


@dataclass
class _StagedBatch:
    """A batch on the host, in buffers that are reused.

    Attributes:
        values: ``(batch_size, *shape)``, in the dtype of ``stored_tensor``.
        labels: ``(batch_size,)`` int64, or None.
        copied: event recorded after the copy to the device, where that is asynchronous.
    """

    values: Tensor
    labels: Tensor | None
    copied: torch.cuda.Event | None = None


class _ShardedOrder:
    """This process's rows of each global batch, in order."""

    def __init__(self, order: EpochOrder, group: ProcessGroup, batch_size: int, start: int) -> None:
        self._order = order
        self._group = group
        self._batch_size = batch_size
        self._start = start

    def next_batch(self) -> Tensor:
        """Return the rows of the next batch, ``(batch_size,)`` int64."""
        global_batch = self._batch_size * self._group.size
        indices = self._order.indices(self._start, global_batch)
        self._start += global_batch
        return self._group.local_shard(indices, self._batch_size)


class _Prefetcher:
    """A thread that gathers batches as they are stored, a few ahead of their use, into a ring of buffers."""

    def __init__(self, source: StoredSamples, order: _ShardedOrder, batch_size: int, device: torch.device) -> None:
        self._source = source
        self._batch_size = batch_size
        self._order = order
        self._pinned = device.type == "cuda"  # for asynchronous copies to the GPU
        self._queue: queue.Queue[_StagedBatch | Exception] = queue.Queue(maxsize=PREFETCHED_BATCHES)
        self._free: deque[_StagedBatch] = deque()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)
        self._thread.start()

    def take(self) -> _StagedBatch:
        """Return the next batch; an error of the thread is raised here."""
        item = self._queue.get()
        if isinstance(item, Exception):
            self._queue.put(item)  # the thread has ended: later calls raise the same error
            raise item
        return item

    def release(self, staged: _StagedBatch) -> None:
        """Let a batch's buffers be refilled, as soon as the copies launched from them are done."""
        if self._pinned:
            staged.copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            staged.copied.record()
        self._free.append(staged)

    def stop(self) -> None:
        """Stop the thread and wait for it to end."""
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            while self._put(self._gather_next()):
                pass
        except Exception as error:
            self._put(error)

    def _gather_next(self) -> _StagedBatch:
        """Gather the next batch of the order."""
        rows, mirrored = split_mirrored(self._order.next_batch(), len(self._source.array))
        indices, staged = rows.numpy(), self._buffers()
        # "clip" saves NumPy a buffer of its own; no index is out of range.
        values = staged.values.numpy().view(self._source.array.dtype)
        np.take(self._source.array, indices, axis=0, out=values, mode="clip")
        if self._source.mirrored:
            values[mirrored.numpy()] = values[mirrored.numpy(), ..., ::-1]
        if staged.labels is not None and self._source.labels is not None:
            np.take(self._source.labels, indices, out=staged.labels.numpy(), mode="clip")
        return staged

    def _buffers(self) -> _StagedBatch:
        """Return free buffers, else new ones: there are never more than are queued and in use."""
        if not self._free:
            shape = (self._batch_size, *self._source.array.shape[1:])
            dtype = stored_tensor(np.empty(0, self._source.array.dtype)).dtype
            values = torch.empty(shape, dtype=dtype, pin_memory=self._pinned)
            labels = torch.empty(self._batch_size, dtype=torch.int64, pin_memory=self._pinned)
            return _StagedBatch(values, None if self._source.labels is None else labels)
        staged = self._free.popleft()
        if staged.copied is not None:
            staged.copied.synchronize()
        return staged

    def _put(self, item: _StagedBatch | Exception) -> bool:
        """Put an item into the queue, waiting for a free slot; return False if the thread is stopped first."""
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False


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
