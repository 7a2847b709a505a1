"""The order in which stored samples are read.

Stored samples are traversed in epochs. The order of epoch ``e`` is a function of (seed, e) alone, and an epoch's last,
short batch is completed from the next one; so a position in the order is the number of samples before it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.protocols.data import StoredSamples
from gan_cli.runtime.distributed import ProcessGroup
from gan_cli.runtime.rng import seeded_generator

# Positions that are looked up at a time.
BLOCK = 2**20


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
            self._permutation = torch.empty(0, dtype=torch.int64)  # frees the last one
            order = torch.randperm(self._count, generator=generator)
            if self._rows is not None:
                for positions in torch.split(order, BLOCK):  # in place, for the memory of many small samples
                    positions.copy_(self._rows[positions])
            self._permutation, self._epoch = order, epoch
        return self._permutation


def _rows_in_use(source: StoredSamples) -> Tensor | None:
    """Return the rows to train on, those of mirror images last; None: all, and no mirror images or those of all."""
    if source.rows is None:
        return None
    rows = torch.from_numpy(source.rows)
    return torch.cat([rows, rows + len(source.array)]) if source.mirrored else rows


class ShardedOrder:
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
