"""Batches gathered on the host by a thread, ahead of their use."""

from __future__ import annotations

import queue
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gan_cli.data.array_rows import gather_rows
from gan_cli.data.mirror_images import split_mirrored
from gan_cli.data.normalization import stored_tensor
from gan_cli.protocols.data import StoredSamples

if TYPE_CHECKING:
    from gan_cli.data.epoch_order import ShardedOrder

PREFETCHED_BATCHES = 4


def condition_buffer(source: StoredSamples, rows: int, **options: Any) -> Tensor | None:
    """Return memory for the classes ``(rows,)`` or vectors ``(rows, K)`` of samples; None where they have neither."""
    if source.conditions is None:
        return None
    like = torch.from_numpy(source.conditions[:0])
    return torch.empty(rows, *like.shape[1:], dtype=like.dtype, **options)


@dataclass
class StagedBatch:
    """A batch on the host, in buffers that are reused.

    Attributes:
        values: ``(batch_size, *shape)``, in the dtype of ``stored_tensor``.
        labels: ``(batch_size,)`` int64 or ``(batch_size, K)`` float32, or None.
        copied: event recorded after the copy to the device, where that is asynchronous.
    """

    values: Tensor
    labels: Tensor | None
    copied: torch.cuda.Event | None = None


class Prefetcher:
    """A thread that gathers batches as they are stored, a few ahead of their use, into a ring of buffers."""

    def __init__(self, source: StoredSamples, order: ShardedOrder, batch_size: int, device: torch.device) -> None:
        self._source = source
        self._batch_size = batch_size
        self._order = order
        self._pinned = device.type == "cuda"  # for asynchronous copies to the GPU
        self._queue: queue.Queue[StagedBatch | Exception] = queue.Queue(maxsize=PREFETCHED_BATCHES)
        self._free: deque[StagedBatch] = deque()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)
        self._thread.start()

    def take(self) -> StagedBatch:
        """Return the next batch; an error of the thread is raised here."""
        item = self._queue.get()
        if isinstance(item, Exception):
            self._queue.put(item)  # the thread has ended: later calls raise the same error
            raise item
        return item

    def release(self, staged: StagedBatch) -> None:
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

    def _gather_next(self) -> StagedBatch:
        """Gather the next batch of the order."""
        rows, mirrored = split_mirrored(self._order.next_batch(), len(self._source.array))
        indices, staged = rows.numpy(), self._buffers()
        values = staged.values.numpy().view(self._source.array.dtype)
        gather_rows(self._source.array, indices, values)
        if self._source.mirrored:
            values[mirrored.numpy()] = values[mirrored.numpy(), ..., ::-1]
        if staged.labels is not None and self._source.conditions is not None:
            np.take(self._source.conditions, indices, axis=0, out=staged.labels.numpy(), mode="clip")
        return staged

    def _buffers(self) -> StagedBatch:
        """Return free buffers, else new ones: there are never more than are queued and in use."""
        if not self._free:
            shape = (self._batch_size, *self._source.array.shape[1:])
            dtype = stored_tensor(np.empty(0, self._source.array.dtype)).dtype
            values = torch.empty(shape, dtype=dtype, pin_memory=self._pinned)
            return StagedBatch(values, condition_buffer(self._source, self._batch_size, pin_memory=self._pinned))
        staged = self._free.popleft()
        if staged.copied is not None:
            staged.copied.synchronize()
        return staged

    def _put(self, item: StagedBatch | Exception) -> bool:
        """Put an item into the queue, waiting for a free slot; return False if the thread is stopped first."""
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False
