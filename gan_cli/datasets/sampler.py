"""Real minibatches of one fixed shape: from device memory, from a memory-mapped file, or drawn from a density.

Images are walked through in epochs. The order of epoch ``e`` is a function of (seed, e) alone, and an epoch's last,
short batch is completed from the next one; so the whole state of a sampler is how many samples it has given out.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gan_cli.config import DataPlacement
from gan_cli.device import seeded_generator
from gan_cli.errors import ConfigError
from gan_cli.protocols import Batch, Density, Images, Sampler

logger = logging.getLogger(__name__)

PREFETCHED_BATCHES = 4


def make_sampler(
    source: Images | Density, batch_size: int, seed: int, device: torch.device, placement: DataPlacement
) -> Sampler:
    """The sampler that suits the data and the memory there is; says in the log which.

    Raises:
        ConfigError: the batch is larger than the dataset.
    """
    if not isinstance(source, Images):
        logger.info("data: drawn afresh from a density on %s", device)
        return DensitySampler(source, batch_size, seed, device)
    count, size = len(source.pixels), source.pixels.nbytes
    if batch_size > count:
        raise ConfigError(f"train.batch_size: expected at most the dataset's {count} samples, got {batch_size}")
    if placement is DataPlacement.auto:
        resident = size <= 0.25 * _memory(device)
    else:
        resident = placement is DataPlacement.resident
    how = f"resident on {device} as uint8" if resident else "streamed from the host by a prefetching thread"
    logger.info("data: %d images, %.1f MB, %s (device.data=%s)", count, size / 1e6, how, placement.name)
    return (ResidentSampler if resident else StreamedSampler)(source, batch_size, seed, device)


def _memory(device: torch.device) -> float:
    """Bytes of memory of the device, in all."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def normalise(pixels: Tensor) -> Tensor:
    """uint8 in [0, 255] to float32 in [-1, 1], any shape."""
    return pixels.float().mul_(2 / 255).sub_(1.0)


class EpochOrder:
    """Indices of consecutive batches: reshuffled epochs joined end to end."""

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._seed = seed
        self._epoch = -1
        self._permutation = torch.empty(0, dtype=torch.int64)

    def indices(self, start: int, batch_size: int) -> Tensor:
        """Indices number ``start`` to ``start + batch_size`` of the endless sequence, ``(batch_size,)`` int64."""
        epoch, offset = divmod(start, self._count)
        head = self._order(epoch)[offset : offset + batch_size]
        missing = batch_size - len(head)
        return head if missing == 0 else torch.cat([head, self._order(epoch + 1)[:missing]])

    def _order(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            generator = seeded_generator(self._seed, f"epoch {epoch}", torch.device("cpu"))
            self._permutation = torch.randperm(self._count, generator=generator)
            self._epoch = epoch
        return self._permutation


class ResidentSampler:
    """All images on the device as uint8; a batch is a gather and a normalisation there."""

    def __init__(self, source: Images, batch_size: int, seed: int, device: torch.device) -> None:
        self._pixels = torch.tensor(source.pixels, device=device)
        self._labels = None if source.labels is None else torch.tensor(source.labels, device=device)
        self._order = EpochOrder(len(source.pixels), seed)
        self._batch_size = batch_size
        self._given = 0

    def next(self) -> Batch:
        """Images ``(batch_size, C, H, W)`` in [-1, 1]."""
        # On CUDA this copies batch_size int64 indices from the host, and nothing else.
        indices = self._order.indices(self._given, self._batch_size).to(self._pixels.device, non_blocking=True)
        self._given += self._batch_size
        return Batch(normalise(self._pixels[indices]), None if self._labels is None else self._labels[indices])

    def state_dict(self) -> dict[str, Any]:
        """How many samples were given out."""
        return {"given": self._given}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._given = int(state["given"])

    def close(self) -> None:
        """Nothing runs in the background."""


class StreamedSampler:
    """Images stay in their (memory-mapped) array; a thread gathers batches ahead of their use."""

    def __init__(self, source: Images, batch_size: int, seed: int, device: torch.device) -> None:
        self._pixels = source.pixels
        self._labels = source.labels
        self._seed = seed
        self._batch_size = batch_size
        self._device = device
        self._given = 0
        self._prefetcher: _Prefetcher | None = None

    def next(self) -> Batch:
        """Images ``(batch_size, C, H, W)`` in [-1, 1]."""
        if self._prefetcher is None:
            self._prefetcher = _Prefetcher(self._batches(self._given))
        batch = self._prefetcher.take()
        self._given += self._batch_size
        labels = None if batch.labels is None else batch.labels.to(self._device, non_blocking=True)
        return Batch(normalise(batch.samples.to(self._device, non_blocking=True)), labels)

    def _batches(self, start: int) -> Iterator[Batch]:
        """Batches of bytes on the host, from sample number ``start`` on."""
        order = EpochOrder(len(self._pixels), self._seed)
        while True:
            indices = order.indices(start, self._batch_size).numpy()
            labels = None if self._labels is None else self._staged(torch.from_numpy(self._labels[indices]))
            yield Batch(self._staged(torch.from_numpy(self._pixels[indices])), labels)
            start += self._batch_size

    def _staged(self, part: Tensor) -> Tensor:
        """In memory that a GPU can fetch from by itself."""
        return part.pin_memory() if self._device.type == "cuda" else part

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


class _Prefetcher:
    """Takes batches from an endless iterator in a thread, a few ahead of their use."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._queue: queue.Queue[Batch | Exception] = queue.Queue(maxsize=PREFETCHED_BATCHES)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(batches,), name="prefetch", daemon=True)
        self._thread.start()

    def take(self) -> Batch:
        """The next batch; an error of the thread is raised here."""
        item = self._queue.get()
        if isinstance(item, Exception):
            self._queue.put(item)  # the thread has ended: whoever asks again hears the same
            raise item
        return item

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopped.set()
        self._thread.join()

    def _work(self, batches: Iterator[Batch]) -> None:
        try:
            for batch in batches:
                if not self._put(batch):
                    return
        except Exception as error:
            self._put(error)

    def _put(self, item: Batch | Exception) -> bool:
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

    def __init__(self, source: Density, batch_size: int, seed: int, device: torch.device) -> None:
        self._source = source
        self._batch_size = batch_size
        self._generator = seeded_generator(seed, "data", device)

    def next(self) -> Batch:
        """Points ``(batch_size, D)``."""
        return Batch(self._source.draw(self._batch_size, self._generator))

    def state_dict(self) -> dict[str, Any]:
        """The state of the random stream."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._generator.set_state(state["generator"])

    def close(self) -> None:
        """Nothing runs in the background."""
