"""Real minibatches of one fixed shape: from device memory, from a memory-mapped file, or drawn from a density.

Images are walked through in epochs. The order of epoch ``e`` is a function of (seed, e) alone, and an epoch's last,
short batch is completed from the next one; so the whole state of a sampler is how many samples it has given out.

``prepare`` is the host's part, which may copy and wait; ``take`` launches work on the device and no more, so that a
step that takes batches can be recorded and replayed: where to read is a number in device memory.
"""

from __future__ import annotations

import logging
import os
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
from gan_cli.errors import ConfigError
from gan_cli.protocols.data import Batch, Density, Images, Sampler
from gan_cli.runtime.distributed import Group
from gan_cli.runtime.rng import seeded_generator

logger = logging.getLogger(__name__)

PREFETCHED_BATCHES = 4
# Indices laid out on the device at a time, at least: so that tiny datasets do not lay out every few steps.
INDICES_AHEAD = 2**16


def sampler_for(
    source: Images | Density, batch_size: int, device: torch.device, placement: DataPlacement
) -> Callable[[Any, int, int, torch.device, int, Group], Sampler]:
    """The class of sampler that suits the data and the memory there is; says in the log which.

    Raises:
        ConfigError: the batch is larger than the dataset.
    """
    if not isinstance(source, Images):
        logger.info("data: drawn afresh from a density on %s", device)
        return DensitySampler
    count, size = source.count, source.pixels.nbytes
    if batch_size > count:
        raise ConfigError(f"train.batch_size: expected at most the {count} samples to train on, got {batch_size}")
    if placement is DataPlacement.auto:
        resident = size <= 0.25 * _memory(device)
    else:
        resident = placement is DataPlacement.resident
    how = f"resident on {device} as uint8" if resident else "streamed from the host by a prefetching thread"
    logger.info("data: %d images, %.1f MB, %s (device.data=%s)", count, size / 1e6, how, placement.name)
    return ResidentSampler if resident else StreamedSampler


def _memory(device: torch.device) -> float:
    """Bytes of memory of the device, in all."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def normalise(pixels: Tensor) -> Tensor:
    """uint8 in [0, 255] to float32 in [-1, 1], any shape."""
    return pixels.float().mul_(2 / 255).sub_(1.0)


class EpochOrder:
    """Rows of consecutive samples: reshuffled epochs joined end to end."""

    def __init__(self, source: Images, seed: int) -> None:
        self._rows = None if source.rows is None else torch.from_numpy(source.rows)
        self._count = source.count
        self._seed = seed
        self._epoch = -1
        self._permutation = torch.empty(0, dtype=torch.int64)

    def indices(self, start: int, count: int) -> Tensor:
        """Indices number ``start`` to ``start + count`` of the endless sequence, ``(count,)`` int64."""
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


class ResidentSampler:
    """All images on the device as uint8; a batch is a gather and a normalisation there.

    ``most`` is how many batches are ever prepared at once; ``batch_size`` counts the rows of this process.
    """

    waited: None = None
    generators: ClassVar[Sequence[torch.Generator]] = ()

    def __init__(
        self, source: Images, batch_size: int, seed: int, device: torch.device, most: int, group: Group
    ) -> None:
        self._pixels = torch.tensor(source.pixels, device=device)
        self._labels = None if source.labels is None else torch.tensor(source.labels, device=device)
        self._order = EpochOrder(source, seed)
        self._batch_size, self._together = batch_size, batch_size * group.size
        self._given = 0
        # A stretch of the order on the device, how far it reaches, and where in it the next batch begins.
        room = max(source.count, most * self._together, INDICES_AHEAD)
        self._indices = torch.empty(room, dtype=torch.int64, device=device)
        self._reach = 0
        self._offset = torch.zeros((), dtype=torch.int64, device=device)
        self._range = group.own(torch.arange(most * self._together, device=device), batch_size)

    def prepare(self, batches: int) -> None:
        """Lay out more of the order where less than ``batches`` batches of it are left: about once an epoch."""
        wanted = batches * self._together
        if self._given + wanted > self._reach:
            # A copy from the host, in order behind the work that still reads the old indices.
            self._indices.copy_(self._order.indices(self._given, len(self._indices)))
            self._reach = self._given + len(self._indices)
            self._offset.zero_()
        self._given += wanted

    def take(self, batches: int) -> Batch:
        """Images ``(batches * batch_size, C, H, W)`` in [-1, 1]."""
        chosen = self._indices[self._offset + self._range[: batches * self._batch_size]]
        self._offset.add_(batches * self._together)
        return Batch(normalise(self._pixels[chosen]), None if self._labels is None else self._labels[chosen])

    def state_dict(self) -> dict[str, Any]:
        """How many samples were given out."""
        return {"given": self._given}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._given = int(state["given"])
        self._reach = 0

    def close(self) -> None:
        """Nothing runs in the background."""


class StreamedSampler:
    """Images stay in their (memory-mapped) array; a thread gathers batches ahead of their use."""

    generators: ClassVar[Sequence[torch.Generator]] = ()

    def __init__(
        self, source: Images, batch_size: int, seed: int, device: torch.device, most: int, group: Group
    ) -> None:
        self._source = source
        self._seed = seed
        self._batch_size = batch_size
        self._group = group
        self._device = device
        self._given = 0
        self.waited = 0.0
        self._prefetcher: _Prefetcher | None = None
        # What :meth:`prepare` has brought to the device, at addresses that stay, and how much of it is taken.
        room = most * batch_size
        self._pixels = torch.empty(room, *source.pixels.shape[1:], dtype=torch.uint8, device=device)
        self._labels = None if source.labels is None else torch.empty(room, dtype=torch.int64, device=device)
        self._taken = 0

    def prepare(self, batches: int) -> None:
        """Bring ``batches`` batches to the device; waits where the thread has not gathered them yet."""
        count = batches * self._batch_size
        if self._prefetcher is None:
            order = _OwnOrder(EpochOrder(self._source, self._seed), self._group, self._batch_size, self._given)
            self._prefetcher = _Prefetcher(self._source, order, self._batch_size, self._device)
        for start in range(0, count, self._batch_size):
            place = slice(start, start + self._batch_size)
            before = time.perf_counter()
            staged = self._prefetcher.take()
            self.waited += time.perf_counter() - before
            self._pixels[place].copy_(staged.pixels, non_blocking=True)
            if self._labels is not None:
                assert staged.labels is not None
                self._labels[place].copy_(staged.labels, non_blocking=True)
            self._prefetcher.give_back(staged)
        self._given += count * self._group.size
        self._taken = 0

    def take(self, batches: int) -> Batch:
        """Images ``(batches * batch_size, C, H, W)`` in [-1, 1]."""
        place = slice(self._taken, self._taken + batches * self._batch_size)
        self._taken = place.stop
        # A copy: the next :meth:`prepare` writes over these labels.
        labels = None if self._labels is None else self._labels[place].clone()
        return Batch(normalise(self._pixels[place]), labels)

    def state_dict(self) -> dict[str, Any]:
        """How many samples were given out; what is prefetched does not count."""
        return {"given": self._given}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.close()
        self._given = int(state["given"])

    def close(self) -> None:
        """Stop the prefetching thread."""
        if self._prefetcher is not None:
            self._prefetcher.stop()
            self._prefetcher = None


@dataclass
class _Staged:
    """A batch on the host, in memory that is used again and again.

    Attributes:
        pixels: ``(batch_size, C, H, W)`` uint8.
        labels: ``(batch_size,)`` int64, or None.
        copied: says when the copy to the device is done, where that goes on by itself.
    """

    pixels: Tensor
    labels: Tensor | None
    copied: torch.cuda.Event | None = None


class _OwnOrder:
    """A process's rows of one batch after the other."""

    def __init__(self, order: EpochOrder, group: Group, batch_size: int, start: int) -> None:
        self._order = order
        self._group = group
        self._batch_size = batch_size
        self._start = start

    def next_batch(self) -> Tensor:
        """``(batch_size,)`` int64."""
        together = self._batch_size * self._group.size
        indices = self._order.indices(self._start, together)
        self._start += together
        return self._group.own(indices, self._batch_size)


class _Prefetcher:
    """Gathers batches of bytes in a thread, a few ahead of their use, into a ring of buffers."""

    def __init__(self, source: Images, order: _OwnOrder, batch_size: int, device: torch.device) -> None:
        self._source = source
        self._batch_size = batch_size
        self._order = order
        self._pinned = device.type == "cuda"  # memory that a GPU can fetch from by itself
        self._queue: queue.Queue[_Staged | Exception] = queue.Queue(maxsize=PREFETCHED_BATCHES)
        self._free: deque[_Staged] = deque()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)
        self._thread.start()

    def take(self) -> _Staged:
        """The next batch; an error of the thread is raised here."""
        item = self._queue.get()
        if isinstance(item, Exception):
            self._queue.put(item)  # the thread has ended: whoever asks again hears the same
            raise item
        return item

    def give_back(self, staged: _Staged) -> None:
        """Let a batch's buffers be filled anew, as soon as the copies out of them that were launched are done."""
        if self._pinned:
            staged.copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            staged.copied.record()
        self._free.append(staged)

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            while self._put(self._gathered()):
                pass
        except Exception as error:
            self._put(error)

    def _gathered(self) -> _Staged:
        """The next batch of the order."""
        indices = self._order.next_batch().numpy()
        staged = self._buffers()
        # "clip" spares numpy a buffer of its own; no index lies outside.
        np.take(self._source.pixels, indices, axis=0, out=staged.pixels.numpy(), mode="clip")
        if staged.labels is not None and self._source.labels is not None:
            np.take(self._source.labels, indices, out=staged.labels.numpy(), mode="clip")
        return staged

    def _buffers(self) -> _Staged:
        """Buffers that are free, else new ones: there are never more than are queued and in use."""
        if not self._free:
            shape = (self._batch_size, *self._source.pixels.shape[1:])
            pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=self._pinned)
            labels = torch.empty(self._batch_size, dtype=torch.int64, pin_memory=self._pinned)
            return _Staged(pixels, None if self._source.labels is None else labels)
        staged = self._free.popleft()
        if staged.copied is not None:
            staged.copied.synchronize()
        return staged

    def _put(self, item: _Staged | Exception) -> bool:
        """Wait for a free place; False when there will be no more taking."""
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False


class DensitySampler:
    """Fresh points from a density, drawn on the device."""

    waited: None = None

    def __init__(
        self, source: Density, batch_size: int, seed: int, device: torch.device, most: int, group: Group
    ) -> None:
        self._source = source.on(device)
        self._group = group
        self._batch_size = batch_size
        self._generator = seeded_generator(seed, "data", device)

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """The stream of points."""
        return (self._generator,)

    def prepare(self, batches: int) -> None:
        """Nothing to do: points are made where they are used."""

    def take(self, batches: int) -> Batch:
        """Points ``(batches * batch_size, D)``."""
        together = batches * self._batch_size * self._group.size
        return Batch(self._group.own(self._source.draw(together, self._generator), self._batch_size))

    def state_dict(self) -> dict[str, Any]:
        """The state of the random stream."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._generator.set_state(state["generator"])

    def close(self) -> None:
        """Nothing runs in the background."""


class DataWait:
    """Share of the time between two reports that goes by waiting for data, where one may have to."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._since = (time.perf_counter(), 0.0)

    def figures(self) -> dict[str, float]:
        """``speed/data_wait``, in [0, 1], since the last call; nothing where the host never waits."""
        if self._sampler.waited is None:
            return {}
        (then, before), now = self._since, (time.perf_counter(), self._sampler.waited)
        self._since = now
        return {"speed/data_wait": (now[1] - before) / max(now[0] - then, 1e-9)}
